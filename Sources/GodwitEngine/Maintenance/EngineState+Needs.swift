import GodwitJournal

/// Something that memory points to.
struct Need {
    var location: RecordLocation
    var effect: StoreExamination.Effect
}

extension EngineState {
    /// What is needed of a part of a segment, and where each lies, whether or not it can still be read: what memory points to there.
    ///
    /// It looks at everything that there is, so it is for stores that are damaged.
    borrowing func needs(in segment: UInt32, _ range: Range<UInt64>) -> [Need] {
        guard use[segment].things > 0 else { return [] }
        var needs: [Need] = []
        forEachReference { reference in
            guard reference.location.segment == segment, range.contains(UInt64(reference.location.offset)) else { return }
            needs.append(Need(location: reference.location, effect: effect(on: reference.owner)))
        }
        return needs
    }

    private borrowing func effect(on owner: JournalReference.Owner) -> StoreExamination.Effect {
        switch owner {
        case .message(let sequence, let queue): effect("payload", sequence, queue)
        case .end(let sequence, let queue): effect("result or error", sequence, queue)
        case .failure(let sequence): effect("error of a failed attempt", sequence, queueNumber(of: sequence))
        case .amendment(let sequence): effect("amended headers", sequence, queueNumber(of: sequence))
        case .record: StoreExamination.Effect(what: "a record")
        case .counter, .owed(.counter): StoreExamination.Effect(what: "what follows a full counter")
        case .owed(.job(let sequence)): effect("what follows an end", sequence, queueNumber(of: sequence))
        }
    }

    private borrowing func effect(_ what: String, _ sequence: UInt64, _ queue: UInt32?) -> StoreExamination.Effect {
        let name = queue.flatMap { queues[$0] }.map(\.pointee.name)
        return StoreExamination.Effect(what: what, job: identity.jobID(sequence), queue: name)
    }
}
