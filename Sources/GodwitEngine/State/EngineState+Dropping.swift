import GodwitCore

/// A job that is to go for others, taken out of its line.
struct Victim {
    var job: ReadyJob
    var queue: UInt32
    var priority: UInt8
    var size: Int
    /// Whether it stood behind others of its group.
    var isBehind: Bool
}

/// Which jobs a full queue drops for new ones: the oldest of all that are queued, whether it is their turn in their group or not.
extension EngineState {
    /// The oldest queued job of the lowest priority that a draft has not changed yet.
    func oldest(of queue: Queue, except draft: borrowing Draft) -> UInt64? {
        trim(queue)
        let isFresh = !draft.hasStates
        // What is trimmed begins with one that is live.
        var ready = queue.pointee.ready.headOfLowest, behind = queue.pointee.behind.headOfLowest
        if !isFresh {
            ready = queue.pointee.ready.firstOfLowest { draft.state(of: $0.sequence) == nil && isInLine($0) }
            behind = queue.pointee.behind.firstOfLowest { draft.state(of: $0.sequence) == nil && isBehind($0) }
        }
        return Self.goesFirst(behind, before: ready) ? behind?.job.sequence : ready?.job.sequence
    }

    /// Takes the oldest queued job of the lowest priority out of its line; nil when that is above `priority`, or there is none.
    func takeOldest(of number: UInt32, upTo priority: UInt8) -> Victim? {
        let queue = queues.at(number)
        trim(queue)
        let ready = queue.pointee.ready.headOfLowest, behind = queue.pointee.behind.headOfLowest
        let isBehind = Self.goesFirst(behind, before: ready)
        guard let first = isBehind ? behind : ready, first.priority <= priority, let entry = jobs.find(first.job.sequence) else {
            return nil
        }
        if isBehind { queue.pointee.behind.removeFirstOfLowest() } else { queue.pointee.ready.removeFirstOfLowest() }
        return Victim(job: first.job, queue: number, priority: first.priority, size: Int(entry.pointee.size), isBehind: isBehind)
    }

    /// Lets those who were to go stand where they stood.
    func putBack(_ victims: [Victim]) {
        for victim in victims {
            let queue = queues.at(victim.queue)
            if victim.isBehind {
                queue.pointee.behind.insert(victim.job, priority: victim.priority)
            } else {
                queue.pointee.ready.insert(victim.job, priority: victim.priority)
            }
        }
    }

    private static func goesFirst(_ one: (job: ReadyJob, priority: UInt8)?, before other: (job: ReadyJob, priority: UInt8)?) -> Bool {
        guard let one else { return false }
        guard let other else { return true }
        return (one.priority, one.job.position) < (other.priority, other.job.position)
    }

    private func trim(_ queue: Queue) {
        queue.pointee.ready.trimLowest { isInLine($0) }
        queue.pointee.behind.trimLowest { isBehind($0) }
    }

    private func isInLine(_ job: ReadyJob) -> Bool { jobs.find(job.sequence).map { isReady(job, $0.pointee) } ?? false }

    // MARK: Behind others

    /// A queued job stands in its group behind others: only a queue that drops its oldest has to find those.
    func standBehind(_ sequence: UInt64, _ entry: JobEntry, _ queue: Queue) {
        guard queue.pointee.settings.overflow == .dropOldest else { return }
        queue.pointee.behind.insert(ReadyJob(position: position(sequence, entry), sequence: sequence), priority: entry.priority)
        let count = queue.pointee.behind.count
        // Those whose turn has come are passed over; so they stay under half of the line.
        if count > 1_024, count > 2 * queue.pointee.counts.queued { queue.pointee.behind.compact { isBehind($0) } }
    }

    /// A queue's settings changed: those of its jobs that stand behind others are gathered as soon as it drops its oldest.
    func gatherBehind(_ number: UInt32, _ queue: Queue, dropped: Bool) {
        let drops = queue.pointee.settings.overflow == .dropOldest
        guard drops != dropped else { return }
        queue.pointee.behind = ReadyJobs()
        guard drops, queue.pointee.counts.queued > 0 else { return }
        var found: [ReadyJob] = []
        groups.forEachMember { sequence in
            guard let entry = jobs.find(sequence), entry.pointee.queue == number, !isPurged(entry.pointee, queue) else { return }
            let job = ReadyJob(position: position(sequence, entry.pointee), sequence: sequence)
            if isBehind(job) { found.append(job) }
        }
        found.sort()
        for job in found { queue.pointee.behind.insert(job, priority: jobs.find(job.sequence)?.pointee.priority ?? 0) }
    }

    private func isBehind(_ job: ReadyJob) -> Bool {
        guard let entry = jobs.find(job.sequence), isReady(job, entry.pointee), let group = groups.group(of: job.sequence) else {
            return false
        }
        return groups.head(of: group) != job.sequence
    }
}
