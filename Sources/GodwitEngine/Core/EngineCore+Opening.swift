import GodwitCore
import GodwitJournal

extension EngineCore {
    /// Opens the store: recovers the journal, replays it, and records that it was opened, durably.
    static func open(_ storage: any Storage, options: EngineOptions, at instant: EngineInstant) throws(BrokerError) -> EngineCore {
        var state = EngineState(hotBytes: options.hotBytes)
        let journal = try replay(storage, options, into: &state)
        var core = EngineCore(journal, state, options: options, at: instant)
        do { try core.start() } catch { throw BrokerError(error) }
        return core
    }

    private static func replay(
        _ storage: any Storage,
        _ options: EngineOptions,
        into state: inout EngineState
    ) throws(BrokerError) -> Journal {
        let journalOptions = JournalOptions(segmentBytes: options.segmentBytes, random: options.random)
        do {
            return try Journal.open(storage, options: journalOptions) { record in
                do throws(RecordError) {
                    guard let (stamp, change) = try Change.decode(kind: record.kind, header: record.header) else {
                        guard !record.critical else { throw .newer("a record of the kind \(record.kind)") }
                        return
                    }
                    try state.apply(change, stamp, at: record.location)
                } catch {
                    throw BrokerError(error, at: record.location, in: storage.name)
                }
            }
        } catch let error as JournalError {
            throw BrokerError(error)
        } catch let error as BrokerError {
            throw error
        } catch {
            throw BrokerError(.storeFailed, "the store could not be opened: \(error)", cause: error)
        }
    }

    /// Takes up time where the store left it, and makes the opening durable.
    private mutating func start() throws(JournalError) {
        let bootID = options.clock.bootID
        var doubt = false
        if let (opening, stamp) = state.opening {
            if opening.bootID == bootID, SystemClock.isKnown(bootID), instant.boot >= opening.boot {
                engineOffset = stamp.engine - opening.boot
                doubt = opening.isClockDoubtful
            } else {
                // Another boot: only the wall clock knows how long the machine was off.
                let gap = max(instant.wall - state.stamp.wall, 0), tolerance = options.clockTolerance.inMilliseconds
                doubt = opening.isClockDoubtful || gap > tolerance
                // What is not believed must not end anything either: delays and expiries go on by no more than the tolerance.
                engineOffset = state.stamp.engine.addingClamped(options.acceptsClock ? gap : min(gap, tolerance)) - instant.boot
            }
            // Never behind what is recorded.
            engineOffset = max(engineOffset, state.stamp.engine - instant.boot)
        } else {
            engineOffset = -instant.boot
        }
        isClockDoubtful = doubt && !options.acceptsClock
        readClock(instant)
        if state.isNew {
            let incarnation = UInt16(truncatingIfNeeded: options.random())
            try record(.store(StoreIdentity(incarnation: incarnation, k0: options.random(), k1: options.random())), for: .settle)
        }
        let epoch = UInt32(truncatingIfNeeded: state.nextFencing >> 32) + 1
        try record(
            .opened(Opening(epoch: epoch, bootID: bootID, boot: instant.boot, isClockDoubtful: isClockDoubtful)),
            for: .settle
        )
        state.endReplay()
        state.nextSweep = now.engine
        try restartLeases()
        try journal.write()
        try journal.sync()
        noteSynced()
    }

    /// Writes and syncs what is there and gives the folder back; answers everybody who still waits.
    mutating func close() {
        if failure == nil {
            do {
                try record(.clock, for: .settle)
            } catch { note(error) }
        }
        do {
            try journal.close()
            if failure == nil { noteSynced() }
        } catch { note(error) }
        endAllWaits()
    }
}
