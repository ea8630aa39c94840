import DequeModule
import GodwitCore
import GodwitJournal

/// The durable queue engine without threads: it owns all state and the journal, and takes turns.
///
/// A turn decides; each decision is recorded in the journal and applied at once by what replay applies records with. Answers that rest on
/// records that are not durable yet are held until they are. Time, storage and randomness are passed in.
struct EngineCore: ~Copyable {
    struct Held {
        var until: UInt64
        var ticket: Ticket
        var answer: Answer
    }

    var state: EngineState
    var journal: Journal
    let options: EngineOptions

    /// The time of this turn.
    var now = Stamp(engine: 0, wall: 0)
    var instant: EngineInstant
    /// Engine time at which the clock's time since boot was 0.
    var engineOffset: Int64 = 0
    /// The wall clock's time at which engine time was 0; it follows the wall clock in steps, so that a job's times do not flicker.
    var wallOffset: Int64 = 0
    var isClockDoubtful = false

    var writer = RecordWriter()
    /// Which change each group ends with, oldest first.
    var groups = Deque<(group: UInt64, change: UInt64)>()
    /// All changes up to this one are durable.
    var syncedChange: UInt64 = 0
    /// Time since boot at which the oldest record that is not durable was made.
    var unsyncedSince: Int64?
    /// Time since boot at which the latest sync began.
    var syncBegan: Int64 = 0
    /// Time since boot of the latest record, and whether the mark for it is written.
    var lastRecorded: Int64
    var lastClockRecord: Int64

    /// Keeps what answers point to readable: those given out since segments were last given back, or one was begun, share it.
    var pin: JournalPin
    /// The segment that is being emptied, and up to where it is.
    var victim: (segment: UInt32, offset: Int)?
    var isScanning = false
    /// Segments that could not be emptied.
    var unmovable: Set<UInt32> = []
    /// Times since boot.
    var noScanBefore: Int64 = .min
    var noCheckpointBefore: Int64 = .min

    var held: [Held] = []
    var answers: [(Ticket, Answer)] = []
    /// How long publishes took until they were durable.
    var confirmTimes = DurationHistogram(.confirm)
    /// Why nothing is confirmed any more.
    var failure: BrokerError?

    var draft = Draft()
    /// What was read last of what follows a counter, when its queues were seen to, for the step that makes it full.
    var readAhead: (location: RecordLocation, followUps: [FollowUp])?
    var reservations = Reservations()
    /// Up to which change all must be durable before the outcome of the transaction that was recorded last leaves.
    var outcomeRest: UInt64 = 0
    /// Whether an answer points to what may not be written yet.
    var mustWrite = false
    /// The queue that the latest message went to.
    var lastQueue: (name: QueueName, number: UInt32)?
    /// The queues that the latest batch went to, and their numbers in a table of that version.
    var lastBatch: (queues: BatchQueues, numbers: [UInt32], version: Int)?
    var leaseWaits: [Ticket: LeaseWait] = [:]
    var watches: [Ticket: Watch] = [:]
    var jobWatchers: [UInt64: Set<Ticket>] = [:]
    var recordWatchers: [RecordKey: Set<Ticket>] = [:]
    /// By engine time; the subject is the ticket.
    var waitTimers = Timers()
    /// Those who lease from several queues.
    var holders: [HolderID: HolderMemory] = [:]
    /// The queues that they named, all together.
    var heldNames = 0
    /// Closed holders whose leases are still to be given back.
    var closing = Deque<ClosingHolder>()
    var clockFollowers: [Ticket] = []
    /// Whether a turn left some of what was due for the next.
    var hasMoreDue = false
    /// How many bytes of dead letters this turn may still bring for what is due.
    var letterBudget = 0
    /// What of it waits for room on the disk for a large dead letter, or for a disk that does not give one back just now.
    var postponed = PostponedDeaths()
    var nextCancelSweep: Int64 = 0
    /// Why publishes are refused though their queue has room, and when that is looked at again, in time since boot.
    var watermark: String?
    var nextWatermarkCheck: Int64 = .min
    /// Engine time at which sessions are looked at again.
    var nextSessionSweep: Int64 = 0
    var refusedNumbers = RefusedNumbers()
    /// When the disk is asked again for what is owed and could not be read, in time since boot; and whether the operator was told.
    var owedRetry: Int64?
    var hasToldOfOwed = false
    /// Reads that the disk has not answered in this turn, however often it was asked: after a few it is not asked again before the next turn, for it may
    /// take its time, and heartbeats wait.
    var unansweredReads = 0
    /// Time since boot before which nothing that is due and must be recorded is tried again.
    var dueBlockedUntil: Int64 = 0

    /// How much time-driven work one turn does of each kind.
    static let dueLimit = 4_096
    static let sweepInterval: Int64 = 1_000
    static let watermarkInterval: Int64 = 200
    static let sessionSweepInterval: Int64 = 10_000
    /// How many jobs one record of that work names.
    static let dueBatch = 1_000
    /// How many bytes of dead letters one record's batch brings, about.
    static let dueBytes = 1 << 20
    /// How many bytes of dead letters, and of what follows ends, one turn reads and brings, about.
    static let turnBytes = 16 << 20
    /// How long a lease's record may wait for its sync, in milliseconds.
    static let leaseSyncDelay: Int64 = 10
    static let idleBeforeMark: Int64 = 1_000
    static let noSpaceDelay: Int64 = 1_000
    static let clockRecordInterval: Int64 = 3_600_000
    /// The longest wait for a time: the thread's own waits stand still while the machine sleeps.
    static let longestWait: Int64 = 1_000

    init(_ journal: consuming Journal, _ state: consuming EngineState, options: EngineOptions, at instant: EngineInstant) {
        syncedChange = state.change
        pin = journal.pin()
        self.journal = journal
        self.state = state
        self.options = options
        self.instant = instant
        lastRecorded = instant.boot
        lastClockRecord = instant.boot
    }

    // MARK: Turns

    /// One turn: renewals, then what is due, then everything else in the order in which it came.
    mutating func turn(_ commands: [(ticket: Ticket, command: Command)], at instant: EngineInstant) {
        readClock(instant)
        unansweredReads = 0
        if failure == nil {
            for (ticket, command) in commands {
                if case .renew(let renewals) = command { attempt(ticket) { core throws(JournalError) in try core.renew(ticket, renewals) } }
            }
        }
        if failure == nil {
            endDue()
            if self.instant.boot >= dueBlockedUntil {
                do { try recordDue() } catch {
                    note(error)
                    hasMoreDue = false
                    // No room on the disk: trying again at once would only keep it busy.
                    dueBlockedUntil = self.instant.boot + Self.noSpaceDelay
                }
            }
        }
        checkWatermarks()
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
        writeIfShown()
        // What waits for room on the disk waits for time to pass.
        let isBlocked = self.instant.boot < dueBlockedUntil
        if !hasMoreDue, state.cleanings.isEmpty || (isBlocked && isOwingMuch), isBlocked || !isOwing {
            for ticket in clockFollowers { hold(ticket, .done, until: state.change) }
            clockFollowers.removeAll()
        }
    }

    mutating func readClock(_ instant: EngineInstant) {
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
        case .commit(let transactions, let session): try commit(ticket, transactions, session)
        case .commitOne(let transaction): try commit(ticket, transaction)
        case .publishBatch(let batch): try publish(ticket, batch)
        case .lease(let request): try lease(ticket, request)
        case .completeBatch(let batch): try complete(ticket, batch)
        case .renew: break
        case .closeHolder(let id): try closeHolder(ticket, id)
        case .endSession(let id): try endSession(ticket, id)
        case .read(let ids): read(ticket, ids)
        case .payload(let id): payload(ticket, id)
        case .result(let id): result(ticket, id)
        case .list(let query, let queues): list(ticket, query, within: queues)
        case .browse(let query): browse(ticket, query)
        case .readRecords(let keys): readRecords(ticket, keys)
        case .watch(let items, let wait): watch(ticket, items, wait)
        case .queues: queueStatuses(ticket)
        case .queue(let name): queueStatus(ticket, name)
        case .configure(let name, let settings, let expectation, let startsPaused):
            try configure(ticket, name, settings, expectation, startsPaused: startsPaused)
        case .pause(let name, let isPaused): try pause(ticket, name, isPaused)
        case .purge(let name): try purge(ticket, name)
        case .delete(let name, let purging): try delete(ticket, name, purging: purging)
        case .check: hold(ticket, .done, until: state.change)
        case .backup: try backup(ticket)
        case .upgrade: try upgrade(ticket)
        case .inspect: hold(ticket, .contents(inspect()), until: state.change)
        case .times(let names): answerNow(ticket, .times(times(of: names)))
        case .level: hold(ticket, .level(state.level), until: state.change)
        case .export(let query): export(ticket, query)
        case .exportRecords(let cursor, let prefix): exportRecords(ticket, after: cursor, named: prefix)
        case .followClock: clockFollowers.append(ticket)
        case .abandon(let other): try abandon(other)
        }
    }

    /// Answers a command that came after the store had failed.
    private mutating func refuse(_ ticket: Ticket, _ command: Command, _ failure: BrokerError) {
        switch command {
        case .abandon: break
        case .followClock: answerNow(ticket, .done)
        default: answerNow(ticket, .refused(failure))
        }
    }
}
