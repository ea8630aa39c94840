import GodwitCore
import GodwitJournal

/// What a batch brings to one queue.
struct BatchLoad {
    var queue: UInt32
    var maxAttempts: UInt16
    /// Engine time at which its messages expire unless they are started.
    var expires: Int64?
    /// Where the header of its messages lies among the batch's.
    var header = 0..<0
    var messages = 0
    var bytes = 0
}

/// Whether queues take what a batch brings: all of them or none, with all that they drop for it or with nothing dropped.
extension EngineCore {
    /// Finds room in a queue for what a batch brings.
    /// - Parameter victims: who goes for it, taken out of their lines; those of a refused batch are to be put back.
    /// - Returns: why there is no room; nil when there is, or will be without the victims.
    mutating func admit(_ load: BatchLoad, priority: UInt8, _ victims: inout [Victim]) throws(JournalError) -> BrokerError? {
        let queue = state.queues.at(load.queue), settings = queue.pointee.settings
        guard load.messages <= settings.maxJobs, load.bytes <= settings.maxBytes else { return Self.tooLarge(queue) }
        if let watermark {
            queue.pointee.totals.refused += 1
            return .busy(watermark, retryAfter: .seconds(5))
        }
        if settings.maxWait != nil { state.noteBusy(queue) }
        if Self.hasRoom(queue, for: load.messages, load.bytes) { return nil }
        if settings.overflow == .dropOldest { try openDeadLetterQueue(of: load.queue) }
        var dropped = 0, droppedBytes = 0
        // As many as it brings, or as a transaction may end.
        let mostDropped = max(load.messages, Limits.drops)
        while !Self.hasRoom(queue, for: load.messages - dropped, load.bytes - droppedBytes) {
            guard settings.overflow == .dropOldest, dropped < mostDropped, let victim = state.takeOldest(of: load.queue, upTo: priority)
            else {
                queue.pointee.totals.refused += 1
                return .busy(
                    "the queue \(queue.pointee.name) is full: try again later",
                    retryAfter: queue.pointee.retryAfter(adding: load.messages - 1)
                )
            }
            victims.append(victim)
            dropped += 1
            droppedBytes += victim.size
        }
        return nil
    }

    /// Ends jobs in favour of a batch's, whose records follow right behind: there is room for all, or nothing changes.
    /// - Parameter bytes: what the batch's records take.
    /// - Returns: why they cannot end just now; nothing has changed then.
    mutating func drop(_ victims: [Victim], reserving bytes: Int) throws(JournalError) -> BrokerError? {
        draft.begin(nextSequence: state.nextSequence)
        for victim in victims {
            guard let entry = state.unfinishedJob(victim.job.sequence) else { continue }
            draft.changes += die(droppedAttempt(victim.job.sequence, entry), entry, .dropped)
        }
        if let error = draft.unread { return error }
        if bringsTooMuch { throw .tooLarge(bytes: draft.letterBytes, limit: journal.maximumReservation) }
        try record(draft.changes, for: .publish, reserving: bytes)
        return nil
    }
}

extension EngineCore {
    /// By parts of the queue: a method of the whole would be given a copy of it, for each queue of each batch.
    private static func hasRoom(_ queue: EngineState.Queue, for messages: Int, _ bytes: Int) -> Bool {
        queue.pointee.counts.unfinished + messages <= queue.pointee.settings.maxJobs
            && queue.pointee.bytes + bytes <= queue.pointee.settings.maxBytes
            && (queue.pointee.settings.maxWait == nil || !queue.pointee.isSlow(adding: messages - 1))
    }
}
