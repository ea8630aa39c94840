import GodwitCore

/// What is there.
extension Model {
    func job(_ number: Int) -> ModelJob? { jobs[number] }
    /// In the order of their numbers.
    var allJobs: [ModelJob] { jobs.all }

    /// The ready jobs of a queue, in order.
    func ready(_ queue: QueueName, most: Int) -> [ModelJob] {
        let word = queue.word
        var found = jobs.all.filter { $0.state == .queued && $0.queueWord == word && isItsTurn($0) }
        found.sort { ($1.message.priority, $0.order) < ($0.message.priority, $1.order) }
        return Array(found.prefix(most))
    }

    /// All jobs of a queue that have not ended, by their places.
    func unfinishedInOrder(_ queue: QueueName) -> [ModelJob] {
        let word = queue.word
        return jobs.all.filter { $0.queueWord == word && !$0.state.isFinal }.sorted { $0.order < $1.order }
    }

    /// Whether it is first in its group, if it belongs to one.
    private func isItsTurn(_ job: ModelJob) -> Bool { job.group.map { groups[$0]?.first == job.number } ?? true }

    /// The unfinished job that owns a claim.
    func owner(of claim: String, in queue: QueueName) -> ModelJob? {
        let word = queue.word
        return jobs.all.first { $0.queueWord == word && !$0.state.isFinal && $0.message.claim == claim }
    }

    func unfinished(_ queue: QueueName) -> (jobs: Int, bytes: Int) {
        let word = queue.word
        var count = 0, bytes = 0
        for job in jobs.all where job.queueWord == word && !job.state.isFinal {
            count += 1
            bytes += job.size
        }
        return (count, bytes)
    }

    /// Jobs that a newcomer waits behind.
    func ahead(_ queue: QueueName) -> Int {
        let word = queue.word
        return jobs.all.count { $0.queueWord == word && ($0.state == .queued || $0.state == .running) }
    }

    /// Jobs of a queue that wait for a time or for a holder.
    func waiting(_ queue: QueueName) -> Int {
        let word = queue.word
        return jobs.all.count { $0.queueWord == word && $0.isWaiting }
    }

    /// Jobs of a queue that have ended.
    func ended(_ queue: QueueName) -> [ModelJob] {
        let word = queue.word
        return jobs.all.filter { $0.queueWord == word && $0.state.isFinal }
    }

    /// Whether a newcomer would wait for longer than its queue allows; nil where that is the engine's to choose.
    func isSlow(_ name: QueueName, adding added: Int) -> Bool? {
        guard let most = queues[name]?.settings.maxWait, let pace = paces[name] else { return false }
        return pace.isSlow(ahead(name) + added, most.inMilliseconds)
    }

    /// Whether ready jobs wait, and somebody could work on them.
    func isBusy(_ name: QueueName) -> Bool {
        guard queues[name]?.isPaused == false else { return false }
        let word = name.word
        var isAnyReady = false, isAnybodyThere = false
        for job in jobs.all where job.queueWord == word {
            if job.state == .queued { isAnyReady = true } else if job.state == .running { isAnybodyThere = true }
            if isAnyReady, isAnybodyThere { return true }
        }
        return isAnyReady && awaited.contains(name)
    }

    /// Whether the time of an ended job is over, so that it may be dropped at any moment.
    /// - Parameter slack: since how many milliseconds, so that it must have been dropped; nil when it is enough that it is over.
    func isLapsed(_ job: ModelJob, at now: Int64, slack: Int64? = nil) -> Bool {
        guard job.state.isFinal, let kept = retentions.first(where: { $0.queueWord == job.queueWord }) else { return false }
        guard let retention = kept.time(of: job.state) else { return true }
        let end = job.ended.addingClamped(retention)
        return slack.map { end.addingClamped($0).addingClamped(job.leeway) } ?? end <= now
    }

    func isLapsed(_ key: ModelQueue.Key, in queue: ModelQueue, at now: Int64, slack: Int64 = 0) -> Bool {
        key.at.addingClamped(queue.settings.dedupWindow.inMilliseconds).addingClamped(slack) <= now
    }
}
