import GodwitCore
import GodwitJournal

/// What happens to many plain messages at a time.
extension EngineState {
    /// Whether a completion of the job can share a record with others: nobody will ask that record for its attempts or its result.
    func canBeCompletedTogether(_ sequence: UInt64, _ entry: JobEntry) -> Bool {
        guard !entry.flags.contains(.hasFollowUps), !queues.at(entry.queue).pointee.keepsFinished else { return false }
        guard entry.flags.contains(.hasExtra) else { return true }
        // When it would have expired is of no more use.
        guard entry.flags.contains(.expires), var extra = extras[sequence] else { return false }
        extra.expires = nil
        return extra.isEmpty
    }

    /// Jobs ended as succeeded, without results, in one record.
    mutating func complete(_ sequences: [UInt64], at location: RecordLocation) throws(RecordError) {
        let final = Final(location: location, size: .share, saysAttempts: false)
        for sequence in sequences {
            let (entry, queue) = try running(sequence)
            queue.pointee.totals.succeeded += 1
            noteRun(entry)
            finish(sequence, entry, queue, .succeeded, final)
        }
    }

    /// Publishes the next of many messages that differ in number and size alone, as ``Change/published(_:)`` does.
    mutating func publish(_ job: borrowing Publication, _ now: Stamp, at location: RecordLocation) throws(RecordError) {
        change += 1
        stamp = Stamp(engine: max(now.engine, stamp.engine), wall: now.wall)
        try apply(job, at: location)
    }
}
