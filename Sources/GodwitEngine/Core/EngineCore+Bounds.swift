import GodwitCore
import GodwitJournal
import Logging

/// What keeps newcomers out of a queue that is full, or makes room for them.
extension EngineCore {
    /// Lets a message in, or says why not. Where the queue drops its oldest jobs, the draft ends as many as it takes.
    mutating func admit(_ box: MessageBox, to queue: EngineState.Queue, _ number: UInt32, hasKey: Bool) throws(BrokerError) {
        let settings = queue.pointee.settings
        let size = box.size
        let added = draft.added(to: number)
        guard added.jobs < settings.maxJobs, added.bytes + size <= settings.maxBytes else { throw Self.tooLarge(queue) }
        if let watermark {
            queue.pointee.totals.refused += 1
            throw .busy(watermark, retryAfter: .seconds(5))
        }
        if hasKey { try checkKeys(queue, added: added.keys) }
        if settings.maxWait != nil { state.noteBusy(queue) }
        while let wait = excess(of: queue, number, size: size) {
            guard settings.overflow == .dropOldest, drop(from: queue, number, for: box.message.priority) else {
                queue.pointee.totals.refused += 1
                throw .busy("the queue \(queue.pointee.name) is full: try again later", retryAfter: wait)
            }
        }
    }

    /// Looks once in a while whether the process or the store has become too large.
    mutating func checkWatermarks() {
        guard options.maxMemoryBytes != nil || options.maxDiskBytes != nil, instant.boot >= nextWatermarkCheck else { return }
        nextWatermarkCheck = instant.boot + Self.watermarkInterval
        let before = watermark
        watermark = nil
        if let most = options.maxMemoryBytes, let used = options.memoryInUse(), used > most {
            watermark = "the process uses \(used) bytes of memory, more than it may (\(most)): try again when jobs have ended"
        }
        if let most = options.maxDiskBytes, journal.diskBytes > most {
            watermark = "the store takes \(journal.diskBytes) bytes of disk, more than it may (\(most)): try again when jobs have ended"
        }
        guard (before == nil) != (watermark == nil) else { return }
        if let watermark {
            options.logger.warning("publishes are refused", metadata: ["reason": "\(watermark)"])
        } else {
            options.logger.notice("publishes are taken again: the process and the store are below their bounds")
        }
    }

    /// When to come back with a message that a queue has no room for now; nil when it has.
    private func excess(of queue: EngineState.Queue, _ number: UInt32, size: Int) -> Duration? {
        let settings = queue.pointee.settings
        let added = draft.added(to: number)
        let jobs = added.jobs - added.dropped, bytes = added.bytes - added.droppedBytes
        let isFull = queue.pointee.counts.unfinished + jobs >= settings.maxJobs || queue.pointee.bytes + bytes + size > settings.maxBytes
        guard isFull || queue.pointee.isSlow(adding: jobs) else { return nil }
        return queue.pointee.retryAfter(adding: jobs)
    }

    /// Ends the oldest queued job of the lowest priority in favour of a newcomer's; false when there is none that may go.
    mutating func drop(from queue: EngineState.Queue, _ number: UInt32, for priority: Int) -> Bool {
        guard draft.added(to: number).dropped < Limits.drops, let sequence = state.oldest(of: queue, except: draft),
            let entry = state.unfinishedJob(sequence), Int(entry.pointee.priority) <= priority
        else { return false }
        draft.drop(from: number, bytes: Int(entry.pointee.size))
        draft.changes += die(droppedAttempt(sequence, entry), entry, .dropped)
        draft.setState(.failed, of: sequence)
        return true
    }

    /// How a job ends that goes for a newcomer.
    func droppedAttempt(_ sequence: UInt64, _ entry: Entry) -> FailedAttempt {
        let failure = Failure(
            message: "its queue was full and drops its oldest job for a new one (overflow drop_oldest)",
            code: FailureCode.dropped
        )
        return FailedAttempt(sequence: sequence, attempts: state.attempts(sequence, entry.pointee), failure: failure, next: .final)
    }

    private func checkKeys(_ queue: EngineState.Queue, added: Int) throws(BrokerError) {
        let settings = queue.pointee.settings
        guard queue.pointee.keys.count + added >= settings.dedupMax else { return }
        queue.pointee.totals.refused += 1
        var wait: Duration = .seconds(5)
        if let oldest = queue.pointee.keys.oldest, !isClockDoubtful {
            wait = .milliseconds(max(oldest.addingClamped(settings.dedupWindow.inMilliseconds) - now.engine, 1))
        }
        throw .busy("the queue \(queue.pointee.name) remembers as many idempotency keys as dedup_max allows", retryAfter: wait)
    }

    /// Why a transaction that was refused as busy would be refused by an empty queue, too; nil when it would not.
    mutating func tooLarge(_ operations: [PreparedOperation], for refused: PreparedOperation) -> BrokerError? {
        guard case .enqueue(let box) = refused, let number = queueNumber(box.message.queue) else { return nil }
        let queue = state.queues.at(number)
        var jobs = 0, bytes = 0
        for case .enqueue(let other) in operations where other.message.queue == box.message.queue {
            if let key = other.message.deduplication?.key, queue.pointee.keys[KeyMark(Array(key.utf8), in: number, state.identity)] != nil {
                continue
            }
            jobs += 1
            bytes += other.size
        }
        guard jobs > queue.pointee.settings.maxJobs || bytes > queue.pointee.settings.maxBytes else { return nil }
        queue.pointee.totals.refused -= 1
        return Self.tooLarge(queue)
    }

    static func tooLarge(_ queue: UnsafeMutablePointer<QueueState>) -> BrokerError {
        BrokerError(
            .tooLarge,
            "this is more than the queue \(queue.pointee.name) takes when it is empty (max_jobs \(queue.pointee.settings.maxJobs), "
                + "max_bytes \(queue.pointee.settings.maxBytes)): split the transaction, or raise the queue's bounds"
        )
    }
}
