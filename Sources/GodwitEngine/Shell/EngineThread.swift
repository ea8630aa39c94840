import Foundation
import GodwitCore
import GodwitJournal
import Logging

/// The loop around the core: one thread that takes what came in, lets the core take its turn, and sees to syncs and answers.
///
/// What it does between two waits is ``take()`` and ``carryOut()``, and what blocks is its workers': so a test walks through all orders in which
/// callers and workers can meet it.
struct EngineThread: ~Copyable {
    private var core: EngineCore
    private let inbox: Inbox
    private let clock: any EngineClock
    private let logger: Logger
    private let workers: any Workers
    private var calls = OpenCalls()
    private var batch = Inbox.Batch()
    private var isClosing = false
    private var isSyncing = false
    private var isMaintaining = false
    private var isCheckpointing = false
    private var isScanning = false
    /// Time since boot at which it is looked next whether a segment can be given back.
    private var looksForSpaceAt: Int64 = .min
    private static let spaceInterval: Int64 = 50
    /// Time since boot before which no file is made: not just after the opening, for who only looks in needs none (who fills a segment does),
    /// and not just after a failure, on a full disk, say.
    private var createsFrom: Int64
    private var mayOnlyLookIn = true
    private static let firstCreationDelay: Int64 = 1_000
    private static let creationDelay: Int64 = 5_000

    /// Time since boot until which no sync is done here, after one that took long: heartbeats must not wait for a disk that hiccups.
    private var overlapsUntil: Int64 = .min

    /// A turn with at least so many messages is load: then a sync overlaps with the next turn. A lone request is synced at once, here:
    /// waking another thread and being woken by it would cost it more than the sync. One that nobody waits for keeps nobody waiting either.
    private static let messagesUnderLoad = 4
    private static let slowSync: Int64 = 50
    private static let slowDiskMemory: Int64 = 60_000

    init(_ core: consuming EngineCore, inbox: Inbox, workers: any Workers, clock: any EngineClock, logger: Logger) {
        self.core = core
        self.workers = workers
        self.inbox = inbox
        self.clock = clock
        self.logger = logger
        createsFrom = clock.now().boot + (clock.runsByItself ? Self.firstCreationDelay : 0)
    }

    /// Runs until the inbox is closed; all who wait are answered then, and the store is closed.
    consuming func run() {
        maintain()
        while !isDone {
            inbox.wait(milliseconds: isClosing ? nil : waitTime)
            take()
            carryOut()
        }
        finish()
    }

    /// Whether the inbox is closed, and nothing goes on any more that was begun.
    var isDone: Bool { isClosing && !isSyncing && !isMaintaining && !isCheckpointing && !isScanning }

    /// Takes what came in, whole.
    mutating func take() {
        inbox.exchange(&batch)
        isClosing = isClosing || batch.isClosing
    }

    /// Does what was taken asks for, and answers all that may be answered.
    mutating func carryOut() {
        // Out of its place, for the loop changes meanwhile.
        var batch = Inbox.Batch()
        swap(&batch, &self.batch)
        if let (sync, failure) = batch.sync {
            isSyncing = false
            core.endSync(sync, failure: failure)
            answer()
        }
        if let maintenance = batch.maintenance {
            isMaintaining = false
            core.journal.endMaintenance(maintenance)
            if maintenance.failure != nil {
                createsFrom = clock.now().boot + Self.creationDelay
                mayOnlyLookIn = false
            }
        }
        if let (work, failure) = batch.checkpoint {
            isCheckpointing = false
            core.endCheckpoint(work, failure: failure)
        }
        if let scan = batch.scan {
            isScanning = false
            core.endScan(scan)
        }
        turn(&batch)
        sync(isLoad: Self.isLoad(batch))
        answer()
        // Nothing of it stays while this thread waits: messages are large, and what was leased pins its segments.
        batch.clear()
        swap(&batch, &self.batch)
        if !isClosing {
            seeToSpace()
            maintain()
        }
    }

    /// Closes the store, and answers everybody who still waits.
    mutating func finish() {
        core.close()
        answer()
        for reply in calls.removeAll() { reply.give(.refused(core.failure ?? .closed)) }
    }

    private static func isLoad(_ batch: borrowing Inbox.Batch) -> Bool {
        var messages = 0
        for index in batch.commands.indices where messages < messagesUnderLoad { messages += batch.commands[index].command.messages }
        return messages >= messagesUnderLoad
    }

    private var waitTime: Int64? {
        let next = core.nextTurn
        if clock.runsByItself { return next }
        // On a clock that is moved by hand only what does not wait for its time is done: the rest comes with the clock.
        return next == 0 ? 0 : nil
    }

    private mutating func turn(_ batch: inout Inbox.Batch) {
        for index in batch.commands.indices {
            if let reply = batch.replies[index] { batch.commands[index].ticket = calls.insert(reply, batch.commands[index].ticket) }
        }
        core.turn(batch.commands, at: clock.now())
    }

    /// Syncs what somebody waits for, or what has waited long enough.
    private mutating func sync(isLoad: Bool) {
        while !isSyncing, isSyncDue {
            guard let sync = core.beginSync() else { break }
            let begun = clock.now().boot
            if isLoad || begun < overlapsUntil || core.held.isEmpty || !inbox.isEmpty {
                isSyncing = true
                let inbox = inbox
                workers.run(.sync) {
                    do throws(JournalError) {
                        try sync.run()
                        inbox.post(sync: sync, failure: nil)
                    } catch {
                        inbox.post(sync: sync, failure: error)
                    }
                }
            } else {
                do {
                    try sync.run()
                    core.endSync(sync, failure: nil)
                } catch {
                    core.endSync(sync, failure: error)
                }
                let ended = clock.now().boot
                if ended - begun >= Self.slowSync { overlapsUntil = ended + Self.slowDiskMemory }
            }
        }
        if !isSyncing { core.markIfIdle() }
        if let failure = core.failure, !hasLoggedFailure {
            hasLoggedFailure = true
            logger.critical("the store failed and confirms nothing any more", metadata: ["error": "\(failure)"])
        }
    }

    private var hasLoggedFailure = false

    private var isSyncDue: Bool {
        switch core.syncNeed {
        case .none: false
        case .now: true
        // A clock that is moved by hand gives no delay to wait out.
        case .later: !clock.runsByItself
        }
    }

    private mutating func answer() {
        // Read once for all that one sync has made durable.
        var now: Int64?
        for (ticket, answer) in core.takeAnswers() {
            guard let reply = calls.remove(ticket) else { continue }
            if reply.asked != 0, answer.hasCommitted {
                let ticks = now ?? clock.ticks()
                now = ticks
                core.confirmTimes.record(microseconds: (ticks - reply.asked) / 1_000)
            }
            reply.give(answer)
        }
    }

    /// Has checkpoints written and segments emptied when it is time, away from this thread.
    private mutating func seeToSpace() {
        let inbox = inbox
        if !isCheckpointing, core.isCheckpointDue, let work = core.beginCheckpoint() {
            isCheckpointing = true
            workers.run(.checkpoint) {
                do throws(JournalError) {
                    try work.run()
                    inbox.post(checkpoint: work, failure: nil)
                } catch {
                    inbox.post(checkpoint: work, failure: error)
                }
            }
        }
        guard !isScanning else { return }
        let now = clock.now().boot
        guard core.isMoving || now >= looksForSpaceAt else { return }
        looksForSpaceAt = now + (clock.runsByItself ? Self.spaceInterval : 0)
        core.reclaimDead()
        guard let scan = core.beginScan() else { return }
        isScanning = true
        workers.run(.mover) { inbox.post(scan.run()) }
    }

    /// Has the journal's files seen to, away from this thread.
    private mutating func maintain() {
        guard !isMaintaining else { return }
        if mayOnlyLookIn, core.journal.hasRolled {
            mayOnlyLookIn = false
            createsFrom = min(createsFrom, clock.now().boot)
        }
        guard let maintenance = core.journal.beginMaintenance(mayCreate: clock.now().boot >= createsFrom) else { return }
        isMaintaining = true
        let inbox = inbox, logger = logger
        workers.run(.files) {
            let result = maintenance.run()
            if let failure = result.failure {
                logger.warning("the journal's files could not be seen to", metadata: ["error": "\(failure)"])
            }
            inbox.post(result)
        }
    }
}
