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
                guard let (stamp, change) = try Change.decode(kind: record.kind, header: record.header) else {
                    guard !record.critical else { throw RecordError.newer("a record of the kind \(record.kind)") }
                    return
                }
                try state.apply(change, stamp, at: record.location)
            }
        } catch let error as JournalError {
            throw BrokerError(error)
        } catch let error as RecordError {
            throw BrokerError(error)
        } catch {
            throw BrokerError(.storeFailed, "the store could not be opened: \(error)", cause: error)
        }
    }

    /// Takes up time where the store left it, and makes the opening durable.
    private mutating func start() throws(JournalError) {
        let bootID = options.clock.bootID
        var doubt = false
        if let (opening, stamp) = state.opening {
            if opening.bootID == bootID, instant.boot >= opening.boot {
                engineOffset = stamp.engine - opening.boot
                doubt = opening.isClockDoubtful
            } else {
                // Another boot: only the wall clock knows how long the machine was off.
                let gap = instant.wall - state.stamp.wall
                doubt = opening.isClockDoubtful || gap > options.clockTolerance.inMilliseconds
                engineOffset = state.stamp.engine + max(gap, 0) - instant.boot
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
        state.isReplaying = false
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
        for item in held { answers.append((item.ticket, .refused(failure ?? .closed))) }
        held.removeAll()
        for ticket in leaseWaits.keys.sorted() { answers.append((ticket, .deliveries([]))) }
        for (ticket, watch) in watches.sorted(by: { $0.key < $1.key }) {
            answers.append((ticket, .watched(watch.items.map { _ in .unchanged })))
        }
        for ticket in clockFollowers { answers.append((ticket, .done)) }
        leaseWaits.removeAll()
        watches.removeAll()
        clockFollowers.removeAll()
    }
}
