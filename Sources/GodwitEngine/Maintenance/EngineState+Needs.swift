import GodwitJournal

extension EngineState {
    /// What is needed of a part of a segment, whether or not it can still be read: what memory points to there.
    ///
    /// It looks at everything that there is, so it is for stores that are damaged.
    borrowing func needs(in segment: UInt32, _ range: Range<UInt64>) -> [StoreExamination.Effect] {
        guard use[segment].things > 0 else { return [] }
        func isHere(_ location: RecordLocation) -> Bool { location.segment == segment && range.contains(UInt64(location.offset)) }
        var effects: [StoreExamination.Effect] = []
        var at: UInt64 = 0
        while let sequence = jobs.first(from: at) {
            if let entry = jobs.find(sequence), isHere(entry.pointee.message) {
                effects.append(effect("payload", sequence, entry.pointee.queue))
            }
            at = sequence + 1
        }
        at = 0
        while let sequence = finished.first(from: at) {
            if let entry = finished.find(sequence) {
                if isHere(entry.pointee.message) { effects.append(effect("payload", sequence, entry.pointee.queue)) }
                if isHere(entry.pointee.final) { effects.append(effect("result or error", sequence, entry.pointee.queue)) }
            }
            at = sequence + 1
        }
        records.forEach { _, record in
            if isHere(record.location) { effects.append(StoreExamination.Effect(what: "a record")) }
        }
        extras.forEach { sequence, extra in
            for failure in extra.failures where isHere(failure.location) {
                effects.append(StoreExamination.Effect(what: "error of a failed attempt", job: identity.jobID(sequence)))
            }
        }
        return effects
    }

    private borrowing func effect(_ what: String, _ sequence: UInt64, _ queue: UInt32) -> StoreExamination.Effect {
        StoreExamination.Effect(what: what, job: identity.jobID(sequence), queue: queues[queue].map(\.pointee.name))
    }
}
