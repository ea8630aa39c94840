import GodwitCore
import GodwitJournal

extension EngineCore {
    /// Opens the store: recovers the journal, replays it, and records that it was opened, durably.
    static func open(_ storage: any Storage, options: EngineOptions, at instant: EngineInstant) throws(BrokerError) -> EngineCore {
        if !options.restoresBackup { try StoreRestoration.refuseUnfinished(in: storage) }
        var state = EngineState()
        let journal = try replay(storage, options, into: &state)
        try check(journal, &state, in: storage)
        var core = EngineCore(journal, state, options: options, at: instant)
        do throws(JournalError) {
            try core.start()
            if options.restoresBackup { try StoreRestoration.end(in: storage) }
        } catch {
            throw BrokerError(error)
        }
        return core
    }

    private static func replay(
        _ storage: any Storage,
        _ options: EngineOptions,
        into state: inout EngineState
    ) throws(BrokerError) -> Journal {
        var restore = CheckpointRestore()
        let journalOptions = JournalOptions(segmentBytes: options.segmentBytes, random: options.random)
        do {
            let journal = try Journal.open(
                storage,
                options: journalOptions,
                restore: { section, bytes in
                    do throws(RecordError) {
                        try restore.take(section, bytes, into: &state)
                    } catch {
                        throw BrokerError(error, inCheckpointOf: storage.name)
                    }
                },
                replay: { record in
                    try endRestore(&restore, &state, storage)
                    do throws(RecordError) {
                        try state.replay(record)
                    } catch {
                        throw BrokerError(error, at: record.location, in: storage.name)
                    }
                }
            )
            try endRestore(&restore, &state, storage)
            return journal
        } catch let error as JournalError {
            throw BrokerError(error)
        } catch let error as BrokerError {
            throw error
        } catch {
            throw BrokerError(.storeFailed, "the store could not be opened: \(error)", cause: error)
        }
    }

    /// What is needed must be there: a segment whose file is missing is damage, not an end.
    private static func check(_ journal: borrowing Journal, _ state: inout EngineState, in storage: any Storage) throws(BrokerError) {
        // A repair said what is lost.
        guard !state.hasLosses else { return }
        let there = Set(journal.segments)
        guard state.use.segments.contains(where: { !there.contains($0) }) else { return }
        // Jobs that a purge or a deletion ended are met one by one: those that were met before the segment was given back need it no more.
        state.clean(limit: .max)
        guard let missing = state.use.segments.first(where: { !there.contains($0) }) else { return }
        let what = "segment \(missing) is missing, and \(state.use[missing].things) records in it are needed"
        throw BrokerError(.storeCorrupt, "\(storage.name): \(what). Put the file back, or restore the store from a backup")
    }

    /// The checkpoint, if there is one, is read.
    private static func endRestore(
        _ restore: inout CheckpointRestore,
        _ state: inout EngineState,
        _ storage: any Storage
    ) throws(BrokerError) {
        guard restore.hasBegun else { return }
        do throws(RecordError) { try restore.end(&state) } catch { throw BrokerError(error, inCheckpointOf: storage.name) }
        restore = CheckpointRestore()
    }

    /// Takes up time where the store left it, and makes the opening durable.
    private mutating func start() throws(JournalError) {
        let bootID = options.clock.bootID
        var withheld: Int64 = 0
        if let (opening, stamp) = state.opening {
            withheld = opening.withheld
            let wallPassed = instant.wall - state.stamp.wall
            if opening.bootID == bootID, SystemClock.isKnown(bootID), instant.boot >= opening.boot {
                engineOffset = stamp.engine - opening.boot
                // A clock that was put right takes the doubt away.
                let passed = instant.boot + engineOffset - state.stamp.engine
                if wallPassed < passed { withheld = max(0, withheld - (passed - wallPassed)) }
            } else {
                // Another boot: only the wall clock knows how long the machine was off. What is not believed must not end anything, neither
                // results and keys nor delays and expiries.
                let tolerance = options.clockTolerance.inMilliseconds
                let believed = min(max(wallPassed, 0), tolerance)
                withheld = max(0, withheld + wallPassed - believed)
                engineOffset = state.stamp.engine + believed - instant.boot
            }
            if options.acceptsClock {
                engineOffset += withheld
                withheld = 0
            }
            // Never behind what is recorded.
            engineOffset = max(engineOffset, state.stamp.engine - instant.boot)
        } else {
            engineOffset = -instant.boot
        }
        isClockDoubtful = withheld > 0
        readClock(instant)
        if state.isNew {
            let incarnation = UInt16(truncatingIfNeeded: options.random())
            try record(.store(StoreIdentity(incarnation: incarnation, k0: options.random(), k1: options.random())), for: .settle)
            if options.level > state.level { try record(.level(options.level), for: .settle) }
        }
        if options.restoresBackup { try restore() }
        let epoch = UInt32(truncatingIfNeeded: state.nextFencing >> 32) + 1
        try record(
            .opened(Opening(epoch: epoch, bootID: bootID, boot: instant.boot, withheld: withheld)),
            for: .settle
        )
        state.endReplay()
        state.nextSweep = now.engine
        try restartLeases()
        try payOwed()
        try journal.write()
        try journal.sync()
        noteSynced()
    }

    /// Begins the store's next life, from a backup.
    private mutating func restore() throws(JournalError) {
        var incarnation = UInt16(truncatingIfNeeded: options.random())
        while state.identity.hasUsed(incarnation) { incarnation &+= 1 }
        // Each opening raises the epoch by one, so that no store's is ahead of the clock's seconds by more than the backup's own.
        let epoch = max(UInt32(truncatingIfNeeded: state.nextFencing >> 32), UInt32(clamping: instant.wall / 1_000))
        try record(.restored(Restoration(incarnation: incarnation, epoch: min(epoch, .max - 1))), for: .settle)
    }

    /// Writes and syncs what is there and gives the folder back; answers everybody who still waits.
    mutating func close() {
        if failure == nil {
            do {
                try returnNumbers()
                try record(.clock, for: .settle)
            } catch { note(error) }
            settleSpace()
        }
        do {
            try journal.close()
            if failure == nil { noteSynced() }
        } catch { note(error) }
        endAllWaits()
    }
}
