extension Journal {
    /// Begins the next work on files that is to be done; nil when there is nothing to do, or one is under way.
    ///
    /// It places checkpoints, recycles segments, and makes the next segments and the disk-full reserve. Call it after opening, after each
    /// write, sync and reclaiming; it costs little when there is nothing to do.
    /// - Parameter mayCreate: whether files may be made: not soon after that failed on a full disk.
    package mutating func beginMaintenance(mayCreate: Bool = true) -> JournalMaintenance? {
        guard failure == nil, isOpen, !isMaintaining, let duty = nextDuty(mayCreate: mayCreate) else { return nil }
        isMaintaining = true
        return JournalMaintenance(storage: storage, duty: duty)
    }

    /// Notes what became of a work.
    package mutating func endMaintenance(_ result: JournalMaintenance.Result) {
        precondition(isMaintaining, "no maintenance was begun")
        isMaintaining = false
        note(result)
    }

    /// Does here and now what gives space back: places a finished checkpoint, deletes what was reclaimed, and trims. For a clean stop.
    ///
    /// What fails harms nothing, and is left to the next opening.
    package mutating func maintain() {
        guard failure == nil, isOpen, !isMaintaining else { return }
        while let duty = urgentDuty() { note(JournalMaintenance(storage: storage, duty: duty).run()) }
        if let duty = trimming() { note(JournalMaintenance(storage: storage, duty: duty).run()) }
    }

    private mutating func nextDuty(mayCreate: Bool) -> JournalMaintenance.Duty? {
        // nothing may make the journal wait for the next segment
        if ready.isEmpty, !spares.isEmpty { return makeReady() }
        if let urgent = urgentDuty() { return urgent }
        if ready.count < Self.readySegments, !spares.isEmpty { return makeReady() }
        guard mayCreate else { return nil }
        if ahead < options.spareSegments + options.reserveSegments {
            return .createSpare(FileName.spare(takeSpareNumber()), size: options.segmentBytes)
        }
        if !isCheckpointing, draft?.size ?? 0 < draftBytes { return makeDraft() }
        if let trimming = trimming() { return trimming }
        // all that is to be kept for a full disk is there
        isShort = false
        hasSpentReserve = false
        return nil
    }

    /// One is enough as long as the disk is quick: it is needed again when a segment has been filled.
    private static let readySegments = 2

    private mutating func makeReady() -> JournalMaintenance.Duty {
        let prepared = takeLikeliestSpare()
        return .makeReady(prepared, newHeader(for: prepared))
    }

    private mutating func makeDraft() -> JournalMaintenance.Duty {
        defer { draft = nil }
        if draft == nil { nextDraft += 1 }
        return .makeDraft(DraftFile(name: draft?.name ?? FileName.draft(nextDraft - 1), size: draftBytes), old: draft)
    }

    /// Gives back the room that a checkpoint needed when there was more to say.
    private mutating func trimming() -> JournalMaintenance.Duty? {
        guard !isCheckpointing, let draft, CheckpointRoom.isTooMuch(draft.size, after: lastCheckpointBytes) else { return nil }
        return makeDraft()
    }

    /// What makes checkpoints count and gives space back.
    private mutating func urgentDuty() -> JournalMaintenance.Duty? {
        if case .written(let pending) = checkpointStage, pending.group <= syncedGroup {
            checkpointStage = .placing
            let oldest = checkpoints.count > 1 ? checkpoints.first.map { FileName.checkpoint($0.header.number) } : nil
            guard pins.isEmpty else { return .place(pending, oldest: oldest, draft: nil) }
            defer { nextDraft += 1 }
            return .place(pending, oldest: oldest, draft: FileName.draft(nextDraft))
        }
        if !rubbish.isEmpty {
            defer { rubbish = [] }
            return .delete(rubbish)
        }
        return recycling()
    }

    private mutating func recycling() -> JournalMaintenance.Duty? {
        let free = dead.filter { $0.group <= syncedGroup && pins.isFree($0.number, $0.epoch) }
        guard !free.isEmpty else { return nil }
        let wanted = options.spareSegments + options.reserveSegments - ahead
        if wanted > 0, let kept = free.first(where: { $0.capacity == options.segmentBytes }) {
            dead.removeAll { $0.number == kept.number }
            table.remove(kept.number)
            return .recycle(segment: FileName.segment(kept.number), capacity: kept.capacity, spare: FileName.spare(takeSpareNumber()))
        }
        let numbers = Set(free.map(\.number))
        dead.removeAll { numbers.contains($0.number) }
        for number in numbers { table.remove(number) }
        return .delete(free.map { FileName.segment($0.number) })
    }

    /// Files that were written before come first: their blocks are quicker to sync.
    private mutating func takeLikeliestSpare() -> PreparedSegment {
        spares.remove(at: spares.firstIndex { $0.writtenBytes == $0.capacity } ?? 0)
    }

    private mutating func note(_ result: JournalMaintenance.Result) {
        switch result.outcome {
        case .placed(let pending, let draft):
            placed(pending, draft: draft)
        case .ready(let made):
            if made.header.number > segment.number {
                ready.append(made)
            } else {
                // the journal could not wait and went on in one of a higher number: this one needs another number, too
                let name = FileName.segment(made.header.number)
                let capacity = Int(made.header.capacity)
                let isFresh = made.header.isFresh
                spares.append(
                    PreparedSegment(name: name, file: made.file, capacity: capacity, isFresh: isFresh, writtenBytes: made.writtenBytes)
                )
            }
        case .spare(let prepared):
            spares.append(prepared)
            if case .createSpare = result.duty { isShort = false }
        case .draft(let draft):
            self.draft = draft
        case .done:
            break
        case .failed(let error):
            failed(result.duty, error)
        }
    }

    private mutating func failed(_ duty: JournalMaintenance.Duty, _ error: JournalError) {
        switch duty {
        case .place(let pending, _, _):
            // whether it has its name is not known, so neither counts
            checkpointStage = .none
            try? storage.delete(pending.name)
            try? storage.delete(FileName.checkpoint(pending.found.header.number))
        case .makeReady(let prepared, let header):
            // how far it came is not known; what is left is found at the next opening
            try? storage.delete(prepared.name)
            try? storage.delete(FileName.segment(header.number))
        case .recycle, .delete:
            break
        case .createSpare(let name, _):
            try? storage.delete(name)
            if error == .noSpace { isShort = true }
        case .makeDraft(let draft, let old):
            if error == .noSpace { isShort = true }
            if error == .noSpace, let old { self.draft = old } else { try? storage.delete(draft.name) }
        }
    }
}
