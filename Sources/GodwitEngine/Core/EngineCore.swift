import DequeModule
import GodwitCore
import GodwitJournal

/// The durable queue engine without threads: it owns all state and the journal, and takes turns.
///
/// A turn decides; each decision is recorded in the journal and applied at once by what replay applies records with. Answers that rest on
/// records that are not durable yet are held until they are. Time, storage and randomness are passed in.
struct EngineCore: ~Copyable {
    private struct Held {
        var until: UInt64
        var ticket: Ticket
        var answer: Answer
    }

    var state: EngineState
    var journal: Journal
    let options: EngineOptions

    /// The time of this turn.
    var now = Stamp(engine: 0, wall: 0)
    private var instant: EngineInstant
    /// Engine time at which the clock's time since boot was 0.
    private var engineOffset: Int64 = 0
    /// The wall clock's time at which engine time was 0; it follows the wall clock in steps, so that a job's times do not flicker.
    private(set) var wallOffset: Int64 = 0
    var isClockDoubtful = false

    private var writer = RecordWriter()
    /// Which change each group ends with, oldest first.
    private var groups = Deque<(group: UInt64, change: UInt64)>()
    /// All changes up to this one are durable.
    private(set) var syncedChange: UInt64 = 0
    /// Time since boot at which the oldest record that is not durable was made.
    private var unsyncedSince: Int64?
    /// Time since boot of the latest record, and whether the mark for it is written.
    private var lastRecorded: Int64
    private var lastClockRecord: Int64

    private var held: [Held] = []
    private var answers: [(Ticket, Answer)] = []
    /// Why nothing is confirmed any more.
    private(set) var failure: BrokerError?

    var draft = Draft()
    /// The queue that the latest message went to.
    var lastQueue: (name: QueueName, number: UInt32)?
    var leaseWaits: [Ticket: LeaseWait] = [:]
    var watches: [Ticket: Watch] = [:]
    var jobWatchers: [UInt64: [Ticket]] = [:]
    var recordWatchers: [RecordKey: [Ticket]] = [:]
    /// By engine time; the subject is the ticket.
    var waitTimers = Timers()
    var credits: [HolderID: [Int]] = [:]
    private var clockFollowers: [Ticket] = []
    /// Whether a turn left some of what was due for the next.
    var hasMoreDue = false
    private var nextCancelSweep: Int64 = 0
    /// Time since boot before which nothing that is due is tried again.
    private var dueBlockedUntil: Int64 = 0

    /// How much time-driven work one turn does of each kind.
    static let dueLimit = 4_096
    /// How many jobs one record of that work names.
    static let dueBatch = 1_000
    /// How long a lease's record may wait for its sync, in milliseconds.
    static let leaseSyncDelay: Int64 = 10
    private static let idleBeforeMark: Int64 = 1_000
    private static let noSpaceDelay: Int64 = 1_000
    private static let clockRecordInterval: Int64 = 3_600_000

    /// Opens the store: recovers the journal, replays it, and records that it was opened, durably.
    static func open(_ storage: any Storage, options: EngineOptions, at instant: EngineInstant) throws(BrokerError) -> EngineCore {
        var state = EngineState(hotBytes: options.hotBytes)
        let journal = try replay(storage, options, into: &state)
        var core = EngineCore(journal, state, options: options, at: instant)
        do { try core.start() } catch { throw BrokerError(error) }
        return core
    }

    private init(_ journal: consuming Journal, _ state: consuming EngineState, options: EngineOptions, at instant: EngineInstant) {
        syncedChange = state.change
        self.journal = journal
        self.state = state
        self.options = options
        self.instant = instant
        lastRecorded = instant.boot
        lastClockRecord = instant.boot
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

    // MARK: Turns

    /// One turn: renewals, then what is due, then everything else in the order in which it came.
    mutating func turn(_ commands: [(ticket: Ticket, command: Command)], at instant: EngineInstant) {
        readClock(instant)
        if failure == nil {
            for (ticket, command) in commands {
                if case .renew(let renewals) = command { attempt(ticket) { core throws(JournalError) in try core.renew(ticket, renewals) } }
            }
        }
        if failure == nil, self.instant.boot >= dueBlockedUntil {
            do { try doDue() } catch {
                note(error)
                // No room on the disk: trying again at once would only keep it busy.
                dueBlockedUntil = self.instant.boot + Self.noSpaceDelay
            }
        }
        for (ticket, command) in commands {
            if let failure {
                refuse(ticket, command, failure)
            } else {
                attempt(ticket) { core throws(JournalError) in try core.carryOut(ticket, command) }
            }
        }
        if failure == nil {
            do { try serveWaiting() } catch { note(error) }
        }
        answerWatches()
        if !hasMoreDue {
            for ticket in clockFollowers { hold(ticket, .done, until: state.change) }
            clockFollowers.removeAll()
        }
    }

    private mutating func readClock(_ instant: EngineInstant) {
        let passed = instant.boot - self.instant.boot
        // A lease's time goes on by no more than a second a turn: a stopped process does not lose all its leases at once.
        state.leaseNow += min(max(passed, 0), 1_000)
        self.instant = EngineInstant(wall: instant.wall, boot: max(instant.boot, self.instant.boot))
        now = Stamp(engine: max(self.instant.boot + engineOffset, state.stamp.engine), wall: instant.wall)
        if abs(instant.wall - now.engine - wallOffset) > 1 { wallOffset = instant.wall - now.engine }
    }

    private mutating func attempt(_ ticket: Ticket, _ body: (inout EngineCore) throws(JournalError) -> Void) {
        do {
            try body(&self)
        } catch {
            note(error)
            answerNow(ticket, .refused(BrokerError(error)))
        }
    }

    private mutating func carryOut(_ ticket: Ticket, _ command: Command) throws(JournalError) {
        switch command {
        case .commit(let transactions): try commit(ticket, transactions)
        case .lease(let request): try lease(ticket, request)
        case .renew: break
        case .closeHolder(let id): try closeHolder(ticket, id)
        case .read(let ids): read(ticket, ids)
        case .payload(let id): payload(ticket, id)
        case .result(let id): result(ticket, id)
        case .list(let query): list(ticket, query)
        case .readRecords(let keys): readRecords(ticket, keys)
        case .watch(let items, let wait): watch(ticket, items, wait)
        case .queues: queueStatuses(ticket)
        case .queue(let name): queueStatus(ticket, name)
        case .configure(let name, let settings, let expectation): try configure(ticket, name, settings, expectation)
        case .pause(let name, let isPaused): try pause(ticket, name, isPaused)
        case .purge(let name): try purge(ticket, name)
        case .delete(let name, let purging): try delete(ticket, name, purging: purging)
        case .check: hold(ticket, .done, until: state.change)
        case .followClock: clockFollowers.append(ticket)
        case .abandon(let other): try abandon(other)
        }
    }

    /// Answers a command that came after the store had failed.
    private mutating func refuse(_ ticket: Ticket, _ command: Command, _ failure: BrokerError) {
        switch command {
        case .abandon(let other):
            if leaseWaits[other] != nil || watches[other] != nil { try? abandon(other) }
        case .followClock: answerNow(ticket, .done)
        default: answerNow(ticket, .refused(failure))
        }
    }

    // MARK: Recording

    /// Records a change and applies it.
    /// - Throws: ``JournalError/noSpace`` with nothing changed; anything else means that the store has failed.
    mutating func record(_ change: Change, for purpose: Journal.Purpose) throws(JournalError) {
        writer.removeAll()
        change.encode(now, into: &writer)
        let body = change.body
        try journal.reserve(Journal.recordBytes(header: writer.bytes.count, body: body.count), for: purpose)
        try append(change, header: writer.bytes[...], body: body)
    }

    /// Records changes that happen together or not at all.
    mutating func record(_ changes: [Change], for purpose: Journal.Purpose) throws(JournalError) {
        if changes.count == 1 { return try record(changes[0], for: purpose) }
        writer.removeAll()
        var ends: [Int] = [], total = 0
        ends.reserveCapacity(changes.count)
        for change in changes {
            let start = writer.bytes.count
            change.encode(now, into: &writer)
            ends.append(writer.bytes.count)
            total += Journal.recordBytes(header: writer.bytes.count - start, body: change.body.count)
        }
        try journal.reserve(total, for: purpose)
        var start = 0
        for (change, end) in zip(changes, ends) {
            try append(change, header: writer.bytes[start..<end], body: change.body)
            start = end
        }
    }

    private mutating func append(_ change: Change, header: ArraySlice<UInt8>, body: Bytes) throws(JournalError) {
        let location = journal.append(kind: change.kind.rawValue, critical: true, header: header.span.bytes, body: body.slice.span.bytes)
        do {
            try state.apply(change, now, at: location)
        } catch {
            // What is in the journal's memory must never reach the disk: the state that it was decided on is not the one that is there.
            preconditionFailure("the engine decided what does not fit its state: \(error)")
        }
        let group = journal.currentGroup
        if let last = groups.last, last.group == group {
            groups[groups.count - 1].change = state.change
        } else {
            groups.append((group, state.change))
        }
        if unsyncedSince == nil { unsyncedSince = instant.boot }
        lastRecorded = instant.boot
    }

    // MARK: Answering

    /// Gives an answer as soon as all changes up to this one are durable.
    mutating func hold(_ ticket: Ticket, _ answer: Answer, until change: UInt64) {
        if let failure {
            answers.append((ticket, .refused(failure)))
        } else if change <= syncedChange {
            answers.append((ticket, answer))
        } else {
            held.append(Held(until: change, ticket: ticket, answer: answer))
        }
    }

    mutating func answerNow(_ ticket: Ticket, _ answer: Answer) { answers.append((ticket, answer)) }

    /// Takes back an answer that is held; nil when it is not.
    mutating func takeHeld(_ ticket: Ticket) -> Answer? {
        guard let index = held.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        return held.remove(at: index).answer
    }

    /// The answers that may leave.
    mutating func takeAnswers() -> [(Ticket, Answer)] {
        defer { answers = [] }
        return answers
    }

    /// Notes a failure of the journal: nothing that rests on it is confirmed any more.
    private mutating func note(_ error: JournalError) {
        if journal.failure == nil, error == .noSpace { return }
        if case .tooLarge = error, journal.failure == nil { return }
        guard failure == nil else { return }
        let failure = BrokerError(error)
        self.failure = failure
        for item in held { answers.append((item.ticket, .refused(failure))) }
        held.removeAll()
        for ticket in leaseWaits.keys.sorted() { answers.append((ticket, .refused(failure))) }
        for ticket in watches.keys.sorted() { answers.append((ticket, .refused(failure))) }
        for ticket in clockFollowers { answers.append((ticket, .done)) }
        leaseWaits.removeAll()
        watches.removeAll()
        clockFollowers.removeAll()
    }

    // MARK: Syncing

    /// What the owner of the core is to do about the journal next.
    enum SyncNeed: Equatable {
        case none
        /// In this many milliseconds, unless something comes up before.
        case later(Int64)
        case now
    }

    var syncNeed: SyncNeed {
        guard failure == nil, !journal.isSynced else { return .none }
        if !held.isEmpty { return .now }
        guard let unsyncedSince else { return .none }
        let rest = unsyncedSince + Self.leaseSyncDelay - instant.boot
        return rest <= 0 ? .now : .later(rest)
    }

    /// Writes the group in memory, and begins a sync of all that is written; nil when there is nothing to sync, or one is under way.
    mutating func beginSync() -> JournalSync? {
        do {
            try journal.write()
            return journal.beginSync()
        } catch {
            note(error)
            return nil
        }
    }

    mutating func endSync(_ sync: JournalSync, failure error: JournalError?) {
        journal.endSync(sync, failure: error)
        if let error {
            note(journal.failure ?? error)
        } else {
            noteSynced()
        }
    }

    private mutating func noteSynced() {
        while let first = groups.first, first.group <= journal.syncedGroup {
            syncedChange = first.change
            groups.removeFirst()
        }
        unsyncedSince = groups.isEmpty ? nil : instant.boot
        guard !held.isEmpty else { return }
        var rest: [Held] = []
        for item in held {
            if item.until <= syncedChange { answers.append((item.ticket, item.answer)) } else { rest.append(item) }
        }
        held = rest
    }

    /// When the journal has been idle for a second, says on disk what is durable.
    mutating func markIfIdle() {
        guard failure == nil, journal.needsMark, instant.boot - lastRecorded >= Self.idleBeforeMark else { return }
        do { try journal.writeMark() } catch { note(error) }
    }

    /// Milliseconds until the next turn is needed though nobody asks for one; nil for never.
    var nextTurn: Int64? {
        if failure != nil { return nil }
        if dueBlockedUntil > instant.boot { return dueBlockedUntil - instant.boot }
        if hasMoreDue { return 0 }
        var rest: Int64?
        func within(_ time: Int64) { rest = min(rest ?? .max, max(time, 0)) }
        if state.leases.count > 0 {
            within(500)
            if let timer = state.leaseTimers.first { within(timer.time - state.leaseNow) }
        }
        if let timer = state.due.first { within(timer.time - now.engine) }
        if let timer = state.expiries.first { within(timer.time - now.engine) }
        if let timer = state.recordTimers.first { within(timer.time - now.engine) }
        if let timer = waitTimers.first { within(timer.time - now.engine) }
        // The wall clock may be set at any time.
        if let timer = state.dueAt.first { within(min(timer.time - now.wall, 1_000)) }
        if state.nextSweep != .max, !isClockDoubtful { within(state.nextSweep - now.engine) }
        if case .later(let time) = syncNeed { within(time) }
        if journal.needsMark { within(lastRecorded + Self.idleBeforeMark - instant.boot) }
        within(lastClockRecord + Self.clockRecordInterval - instant.boot)
        return rest
    }

    /// Notes the time once in a while, so that a machine that was off for long is told from a store that had nothing to do.
    mutating func recordClockIfDue() throws(JournalError) {
        guard instant.boot - lastClockRecord >= Self.clockRecordInterval else { return }
        lastClockRecord = instant.boot
        try record(.clock, for: .settle)
    }

    mutating func sweepCancelRequestsIfDue() {
        guard !state.cancelRequests.isEmpty, state.leaseNow >= nextCancelSweep else { return }
        nextCancelSweep = state.leaseNow + 1_000
        let now = state.leaseNow
        state.cancelRequests = state.cancelRequests.filter { $0.value > now }
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
