import GodwitJournal

/// Something in memory that points into the journal, where it must stay readable.
struct JournalReference {
    enum Owner {
        case message(UInt64, queue: UInt32)
        /// The record that ended a job.
        case end(UInt64, queue: UInt32)
        case failure(UInt64)
        case amendment(UInt64)
        case record
        /// What follows when a counter is full.
        case counter
        case owed(EndedSubject)
    }

    var owner: Owner
    var location: RecordLocation
    var size: SizeClass
}

extension EngineState {
    /// Visits everything that points into the journal, for who must know all of it. A record that several things need comes once for each.
    borrowing func forEachReference(_ body: (JournalReference) -> Void) {
        var walk = JobWalk(self, from: 0, isUp: true)
        while let sequence = walk.take(self) {
            if let entry = jobs.find(sequence) {
                let owner = JournalReference.Owner.message(sequence, queue: entry.pointee.queue)
                body(JournalReference(owner: owner, location: entry.pointee.message, size: entry.pointee.messageClass))
            }
            guard let entry = finished.find(sequence) else { continue }
            let queue = entry.pointee.queue
            body(
                JournalReference(owner: .message(sequence, queue: queue), location: entry.pointee.message, size: entry.pointee.messageClass)
            )
            if !entry.pointee.final.isEnding {
                body(JournalReference(owner: .end(sequence, queue: queue), location: entry.pointee.final, size: entry.pointee.finalClass))
            }
        }
        extras.forEach { sequence, extra in
            for failure in extra.failures {
                body(JournalReference(owner: .failure(sequence), location: failure.location, size: failure.size))
            }
            if let amendment = extra.amendment {
                body(JournalReference(owner: .amendment(sequence), location: amendment.location, size: amendment.size))
            }
        }
        records.forEach { body(JournalReference(owner: .record, location: $1.location, size: $1.size)) }
        counters.forEach { _, counter in
            if let then = counter.then { body(JournalReference(owner: .counter, location: then.location, size: then.size)) }
        }
        owed.forEach { body(JournalReference(owner: .owed($0), location: $1.location, size: $1.size)) }
    }
}
