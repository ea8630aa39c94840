/// A job that is to go for others, taken out of its line.
struct Victim {
    var job: ReadyJob
    var queue: UInt32
    var priority: UInt8
    var size: Int
}

/// Which jobs a full queue drops for new ones.
extension EngineState {
    /// The oldest queued job of the lowest priority that a draft has not changed yet.
    func oldest(of queue: Queue, except draft: borrowing Draft) -> UInt64? {
        trim(queue)
        return queue.pointee.ready.firstOfLowest { job in
            guard let entry = jobs.find(job.sequence), isReady(job, entry.pointee) else { return false }
            return draft.state(of: job.sequence) == nil
        }?.sequence
    }

    /// Takes the oldest queued job of the lowest priority out of its line; nil when that is above `priority`, or there is none.
    func takeOldest(of number: UInt32, upTo priority: UInt8) -> Victim? {
        let queue = queues.at(number)
        trim(queue)
        guard let lowest = queue.pointee.ready.lowest, lowest <= priority, let job = queue.pointee.ready.removeFirstOfLowest(),
            let entry = jobs.find(job.sequence)
        else { return nil }
        return Victim(job: job, queue: number, priority: lowest, size: Int(entry.pointee.size))
    }

    /// Lets those who were to go stand where they stood.
    func putBack(_ victims: [Victim]) {
        for victim in victims { queues.at(victim.queue).pointee.ready.insert(victim.job, priority: victim.priority) }
    }

    private func trim(_ queue: Queue) {
        queue.pointee.ready.trimLowest { job in jobs.find(job.sequence).map { isReady(job, $0.pointee) } ?? false }
    }
}
