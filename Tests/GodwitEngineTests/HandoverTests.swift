import GodwitCore
import GodwitJournal
import Logging
import Synchronization
import Testing

@testable import GodwitEngine

/// The hand-over between callers and the engine's loop as a state machine: every order in which its steps can come.
@Suite("Handing over between callers and the engine", .timeLimit(.minutes(5)))
struct HandoverTests {
    @Test("in every order of submits, swaps, writes, syncs, a failure and a closing each has one answer, and none before its sync")
    func publishers() throws {
        let store = try Handover.prepare()
        let orders = try Orders.walk { try Handover(&$0, in: store, waits: false) }
        #expect(orders.all > 100 && orders.failed > 20 && orders.closed > 20 && orders.overlapped > 20)
    }

    @Test("in every order a caller who waits for a job gets one that is durable, or hears of the failure or the closing")
    func waiter() throws {
        let store = try Handover.prepare()
        let orders = try Orders.walk { try Handover(&$0, in: store, waits: true) }
        #expect(orders.all > 100 && orders.failed > 20 && orders.closed > 20)
    }
}

/// How many orders there were, and of what kinds.
private struct Orders {
    var all = 0, failed = 0, closed = 0
    /// Orders in which something came in while a sync was under way.
    var overlapped = 0

    /// Walks through all orders: each is carried out from the beginning, and then the last choice that can be made otherwise is. One that comes
    /// to where another was goes on as that one did, and is left there.
    static func walk(_ run: (inout Choices) throws -> Handover) throws -> Orders {
        var choices = Choices(), orders = Orders()
        repeat {
            let handover = try run(&choices)
            if handover.isKnown { continue }
            orders.all += 1
            if handover.hasFailed { orders.failed += 1 }
            if handover.isClosed { orders.closed += 1 }
            if handover.hasOverlapped { orders.overlapped += 1 }
        } while choices.advance()
        return orders
    }
}

/// The choices of one order.
private struct Choices {
    private var made: [(choice: Int, of: Int)] = []
    private var next = 0
    private var places: Set<[Int]> = []

    /// Whether an order was here before; the way that was taken to the last choice is not new anyway.
    mutating func isKnown(_ place: [Int]) -> Bool { next == made.count && !places.insert(place).inserted }

    mutating func choose(of count: Int) -> Int {
        if next == made.count { made.append((0, count)) }
        defer { next += 1 }
        return made[next].choice
    }

    /// Goes on to the next order; false after the last one.
    mutating func advance() -> Bool {
        next = 0
        while let last = made.popLast() {
            guard last.choice + 1 < last.of else { continue }
            made.append((last.choice + 1, last.of))
            return true
        }
        return false
    }
}

/// Work that is done when its turn comes.
private final class HeldWork: Workers {
    var sync: (@Sendable () -> Void)?

    func run(_ kind: WorkKind, _ work: @escaping @Sendable () -> Void) {
        // The store was given all that it needs: nothing but syncs comes up.
        guard kind == .sync, sync == nil else {
            Issue.record("unexpected work: \(kind)")
            return
        }
        sync = work
    }
}

/// What callers were told, and which of it too early.
private final class Heard: Sendable {
    private let told = Mutex<(answers: [Int: [Answer]], early: [Int])>(([:], []))

    func note(_ answer: Answer, of caller: Int, isEarly: Bool) {
        told.withLock { told in
            told.answers[caller, default: []].append(answer)
            if isEarly { told.early.append(caller) }
        }
    }

    func answers(of caller: Int) -> [Answer] { told.withLock { $0.answers[caller] ?? [] } }
    var early: [Int] { told.withLock(\.early) }
}

/// One order, carried out and checked.
private struct Handover {
    private enum Step { case submit, swap, write, sync, failSync, failWrite, close, end }

    private static let texts = (0..<3).map { "payload of caller \($0)" }

    private(set) var isClosed = false
    /// Whether a write or a sync failed, as one was to from some point on.
    private(set) var hasFailed = false
    private(set) var hasOverlapped = false
    /// Whether it came to where another order was.
    private(set) var isKnown = false
    private var steps: [Step] = []
    private let heard = Heard()
    private let waits: Bool

    /// Large enough that no checkpoint comes up.
    private static let segmentBytes = 128 << 10

    /// A store with all the files that it will need.
    static func prepare() throws -> MemoryStorage {
        let storage = MemoryStorage()
        var core = try Core.open(storage, ManualClock(start: Fixture.start), segmentBytes: segmentBytes)
        Core.maintain(&core)
        core.close()
        return storage
    }

    /// - Parameter waits: whether the second caller is one who waits for a job.
    init(_ choices: inout Choices, in store: MemoryStorage, waits: Bool) throws {
        self.waits = waits
        let clock = ManualClock(start: Fixture.start)
        let base = store.kill()
        let storage = WatchedStorage(base, texts: Self.texts)
        var core = try Core.open(storage, clock, segmentBytes: Self.segmentBytes)
        Core.maintain(&core)
        let inbox = Inbox(), workers = HeldWork()
        let logger = Logger(label: "handover") { _ in SwiftLogNoOpLogHandler() }
        var loop = EngineThread(core, inbox: inbox, workers: workers, clock: clock, logger: logger)
        var submitted = 0, isTaken = false, failure = 0
        /// How far each caller's request has come.
        var stages = [0, 0, 0]
        /// What the sync under way covers, and whether its end is still to be seen.
        var covered = [0, 0, 0], isSyncToBeSeen = false
        while true {
            var able: [Step] = []
            if isTaken { able.append(.write) } else if !inbox.isEmpty { able.append(.swap) }
            if workers.sync != nil { able.append(.sync) }
            if submitted < 3 { able.append(.submit) }
            if able.isEmpty {
                if isClosed { break }
                able.append(.end)
            }
            if failure == 0 { able += [.failSync, .failWrite] }
            if !isClosed { able.append(.close) }
            let told = (0..<3).map { heard.answers(of: $0).count }
            let now = [submitted, isTaken ? 1 : 0, failure, base.hits.count, isClosed ? 1 : 0, workers.sync == nil ? 0 : 1]
            if choices.isKnown(now + [isSyncToBeSeen ? 1 : 0, inbox.isEmpty ? 0 : 1] + stages + covered + told) {
                isKnown = true
                return
            }
            let step = able[choices.choose(of: able.count)]
            steps.append(step)
            switch step {
            case .submit:
                if workers.sync != nil { hasOverlapped = true }
                submit(submitted, to: inbox, storage)
                stages[submitted] = 1
                submitted += 1
            case .swap:
                loop.take()
                isTaken = true
                stages = stages.map { $0 == 1 ? 2 : $0 }
            case .write:
                let wasSyncing = workers.sync != nil
                loop.carryOut()
                isTaken = false
                stages = stages.map { $0 == 2 ? 3 : $0 }
                if !wasSyncing, workers.sync != nil { covered = stages }
                if !wasSyncing { isSyncToBeSeen = false }
            case .sync:
                let sync = workers.sync
                workers.sync = nil
                sync?()
                isSyncToBeSeen = true
            case .failSync, .failWrite:
                base.fail(step == .failSync ? .sync : .write)
                failure = step == .failSync ? 1 : 2
            case .close:
                inbox.close()
                isClosed = true
            case .end: break
            }
            if step == .end { break }
        }
        try check(loop, base)
    }

    private func submit(_ caller: Int, to inbox: Inbox, _ storage: WatchedStorage) {
        let text = Self.texts[caller], heard = heard
        let command = isWaiting(caller) ? Core.lease(wait: 1 << 40) : Core.publish { $0.payload = Content(Bytes(text)) }
        let then: @Sendable (Answer) -> Void = { answer in
            let isEarly =
                switch answer {
                case .outcomes: !storage.isDurable(text)
                // What is delivered first need not be what was published first, but it is on disk.
                case .deliveries(let jobs): !jobs.isEmpty && !Self.texts.contains(where: storage.isDurable)
                default: false
                }
            heard.note(answer, of: caller, isEarly: isEarly)
        }
        // As the engine sends what it is asked.
        if !inbox.post(command, reply: .function(then)) { then(.refused(.closed)) }
    }

    private func isWaiting(_ caller: Int) -> Bool { waits && caller == 1 }

    private mutating func check(_ loop: consuming EngineThread, _ base: MemoryStorage) throws {
        if isClosed {
            let isDone = loop.isDone
            try #require(isDone, "the loop goes on after \(steps)")
            loop.finish()
        }
        hasFailed = base.hits.keys.contains { $0.fault == .writeError || $0.fault == .syncError }
        #expect(heard.early.isEmpty, "confirmed before its sync: \(steps)")
        for caller in 0..<3 {
            let answers = heard.answers(of: caller)
            let isAnswered = answers.count == 1 || answers.isEmpty && isWaiting(caller) && !isClosed && !hasFailed
            #expect(isAnswered, "caller \(caller) has \(answers.count) answers after \(steps)")
            guard let answer = answers.first, !isClosed, !hasFailed else { continue }
            if case .refused = answer { Issue.record("caller \(caller) is refused for no reason after \(steps)") }
        }
    }
}
