extension Journal {
    /// Keeps all segments that are in use now from being reused as long as it lives.
    package func pin() -> JournalPin { JournalPin(pins, newest: segment.number) }

    /// The segment that is written to.
    package var currentSegment: UInt32 { segment.number }

    /// The segments in use, in order; the last one is the current one.
    package var segments: [UInt32] { inUse.map(\.number) }

    /// The same with their sizes.
    package var spaces: [SpaceOfSegment] { inUse }

    /// The segments that no recovery will read any more: the older of the two checkpoints stands for all of them. Each may be reclaimed as
    /// soon as nothing in it is needed.
    package var reclaimable: [UInt32] { reclaimableSpaces.map(\.number) }

    /// The same with their sizes.
    package var reclaimableSpaces: ArraySlice<SpaceOfSegment> {
        guard checkpoints.count > 1, let older = checkpoints.first else { return [] }
        return inUse.prefix { $0.number < older.header.cut.segment && $0.number != segment.number }
    }

    /// Gives segments back in which nothing is needed any more. They are used again, by ``beginMaintenance(mayCreate:)``, as soon as what
    /// has been appended so far is synced (it is what made them dispensable) and nobody who might read them holds a ``pin()``.
    ///
    /// - Parameter numbers: some of ``reclaimable``.
    package mutating func reclaim(_ numbers: [UInt32]) {
        guard !numbers.isEmpty else { return }
        let allowed = Set(reclaimable)
        precondition(numbers.allSatisfy(allowed.contains), "a segment that a recovery may still need cannot be reclaimed")
        let numbers = Set(numbers)
        let epoch = pins.endEpoch()
        let group = groupRecords > 0 ? currentGroup : writtenGroup
        for space in inUse where numbers.contains(space.number) {
            dead.append(DeadSegment(number: space.number, capacity: space.capacity, group: group, epoch: epoch))
        }
        inUse.removeAll { numbers.contains($0.number) }
    }

    /// The bytes of all files that the journal keeps: segments, those ahead of need, and checkpoints.
    package var diskBytes: Int {
        inUse.reduce(0) { $0 + $1.capacity } + dead.reduce(0) { $0 + $1.capacity } + ready.reduce(0) { $0 + Int($1.header.capacity) }
            + spares.reduce(0) { $0 + $1.capacity } + checkpoints.reduce(0) { $0 + $1.size } + (draft?.size ?? 0)
    }

    // MARK: Back pressure

    /// How many segments are ahead.
    var ahead: Int { ready.count + spares.count }

    /// Whether records of a purpose are refused now with ``JournalError/noSpace``, whatever their size. With a full disk the reserve is
    /// kept: publishes are refused while half a segment and the reserve are left, settles with a payload when the reserve is reached,
    /// others when only the segment for moves is left; half of the current one is theirs as well where an opening had to take the last.
    package func refuses(_ purpose: Purpose) -> Bool {
        guard isShort else { return false }
        let reserve = options.reserveSegments
        return switch purpose {
        case .publish: ahead < reserve || (ahead == reserve && position + arena.used > segment.capacity / 2)
        case .settleWithPayload: ahead < reserve
        case .settle: ahead < reserve - 1 && !(hasSpentReserve && position + arena.used <= segment.capacity / 2)
        case .move: false
        }
    }

    /// How many segments must be left ahead when a purpose makes the journal go on in a new one.
    func leastAhead(after purpose: Purpose) -> Int {
        switch purpose {
        case .publish, .settleWithPayload: options.reserveSegments
        case .settle: max(options.reserveSegments - 1, 0)
        case .move: 0
        }
    }

    /// A segment to go on in: one that is ready, or one that is made here and now, which takes several syncs.
    ///
    /// - Throws: ``JournalError/noSpace`` or what the storage threw, with nothing changed; or a failure that poisons the journal.
    mutating func nextReady(for purpose: Purpose) throws(JournalError) -> ReadySegment {
        if ahead <= leastAhead(after: purpose) {
            do {
                spares.append(try PreparedSegment(creating: FileName.spare(takeSpareNumber()), size: options.segmentBytes, in: storage))
            } catch {
                if error == .noSpace { isShort = true }
                throw error
            }
        }
        // in the order of their numbers, which is the chain's
        if !ready.isEmpty { return ready.removeFirst() }
        let prepared = spares.removeFirst()
        do {
            return try prepared.takeIntoUse(newHeader(for: prepared), in: storage)
        } catch {
            throw poison(error, in: prepared.name)
        }
    }

    mutating func takeSpareNumber() -> UInt32 {
        defer { nextSpare += 1 }
        return nextSpare
    }

    /// The header of the next segment, drawn for its life.
    mutating func newHeader(for prepared: PreparedSegment, replaces: SegmentHeader.Replacement? = nil) -> SegmentHeader {
        defer { nextSegment += 1 }
        return SegmentHeader(
            number: nextSegment,
            store: storeID,
            generation: options.random(),
            capacity: prepared.capacity,
            isFresh: prepared.isFresh,
            replaces: replaces
        )
    }

    /// Goes on in another segment, without touching the disk.
    mutating func roll(to next: ReadySegment) {
        if isUnsynced { unsyncedFiles.append(segment.file) }
        isUnsynced = false
        hasRolled = true
        take(next)
    }

    mutating func take(_ next: ReadySegment) {
        segment = Segment(next)
        table.add(next.header, file: next.file)
        inUse.append(SpaceOfSegment(number: next.header.number, capacity: Int(next.header.capacity)))
        position = Block.size
    }
}
