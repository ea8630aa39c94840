import GodwitJournal

extension EngineState {
    /// What is needed of a part of a segment, and where each lies, whether or not it can still be read: what memory points to there.
    ///
    /// It looks at everything that there is, so it is for stores that are damaged.
    borrowing func needs(in segment: UInt32, _ range: Range<UInt64>) -> [Need] {
        guard use[segment].things > 0 else { return [] }
        func isHere(_ location: RecordLocation) -> Bool { location.segment == segment && range.contains(UInt64(location.offset)) }
        var needs: [Need] = []
        var at: UInt64 = 0
        while let sequence = jobs.first(from: at) {
            if let entry = jobs.find(sequence), isHere(entry.pointee.message) {
                needs.append(need("payload", entry.pointee.message, sequence, entry.pointee.queue))
            }
            at = sequence + 1
        }
        at = 0
        while let sequence = finished.first(from: at) {
            if let entry = finished.find(sequence) {
                if isHere(entry.pointee.message) { needs.append(need("payload", entry.pointee.message, sequence, entry.pointee.queue)) }
                if isHere(entry.pointee.final) { needs.append(need("result or error", entry.pointee.final, sequence, entry.pointee.queue)) }
            }
            at = sequence + 1
        }
        records.forEach { _, record in
            if isHere(record.location) { needs.append(Need(location: record.location, effect: StoreExamination.Effect(what: "a record"))) }
        }
        extras.forEach { sequence, extra in
            for failure in extra.failures where isHere(failure.location) {
                let effect = StoreExamination.Effect(what: "error of a failed attempt", job: identity.jobID(sequence))
                needs.append(Need(location: failure.location, effect: effect))
            }
        }
        return needs
    }

    private borrowing func need(_ what: String, _ location: RecordLocation, _ sequence: UInt64, _ queue: UInt32) -> Need {
        let effect = StoreExamination.Effect(what: what, job: identity.jobID(sequence), queue: queues[queue].map(\.pointee.name))
        return Need(location: location, effect: effect)
    }
}

/// Something that memory points to.
struct Need {
    var location: RecordLocation
    var effect: StoreExamination.Effect
}
