import GodwitCore
import GodwitEngine
import GodwitJournal
import Logging
import Synchronization

/// One seed's run: clients, time, crashes and a faulty storage around the real engine, beside the model.
final class World {
    let plan: SimulationPlan
    var random: SplitMix64
    var storage: MemoryStorage
    var engine: SteppedEngine?
    var reference = Reference()
    var statistics = Statistics()
    let options: EngineOptions
    let errors = ErrorLog()
    /// Gets a line for each thing that happens, when somebody wants to read it.
    let trace: ((String) -> Void)?

    // The machine's clocks.
    var wall: Int64 = 1_800_000_000_000
    var boot: Int64 = 100_000
    var boots = 1
    /// The latest turn after which something was not durable.
    var lastDirty: Int64 = 0
    /// The engine's time at boot 0, as the first opening of this boot had it.
    var engineOffset: Int64?
    /// The wall clock's jumps since the last opening: what it showed then, at which of the engine's times.
    var wallJumps: [(engine: Int64, wall: Int64)] = []
    /// How the wall clock stood to what was believed of it; nil when it never jumped while the machine was off.
    var hasDistrustedClock = false
    /// Whether an opening was cut off since the last that was not: it may have ended jobs already that the next one finds.
    var wasOpeningCutOff = false
    var acceptsClock = false

    var nextTicket: UInt64 = 1
    var syncUnderWay: JournalSync?
    var checkpointUnderWay: CheckpointWork?
    /// Whether something was done to the storage that may make the engine fail.
    var mayFail = false
    /// Whether the disk is full in this life.
    var isTight = false
    var wasTight = false
    /// Whether segments come and go quickly in this life: much is published in batches and ended again, files are seen to all the time, and
    /// syncs and readers come late.
    var isHurried = false
    /// Whether clients count steps, and say what follows jobs' ends: not in the same runs as full disks, on which what follows waits for room.
    let usesFollowUps: Bool
    /// Whether some messages are transient.
    let usesTransients: Bool
    /// Whether the request that is made is the only one of its turn.
    var isAlone = false
    /// The one queue that calls wait for in this life.
    var waitQueue = 0

    /// Whether the store was stopped in order, and nothing was done to it since.
    var isClosed = false

    var clients: [SessionClient] = []
    var held: [HeldBatch] = []
    var late: [LateReply] = []
    var backup: RunningBackup?

    init(_ plan: SimulationPlan, trace: ((String) -> Void)? = nil) {
        self.plan = plan
        self.trace = trace
        random = SplitMix64(seed: plan.seed)
        storage = MemoryStorage()
        storage.ignoresSyncs = plan.mistake == .syncSkipped
        storage.ignoresFolderSyncs = plan.mistake == .folderSyncSkipped
        var options = EngineOptions()
        options.segmentBytes = [32, 64, 128][Int(random.next() % 3)] << 10
        options.logger = errors.logger
        usesFollowUps = random.next() % 2 == 0
        usesTransients = random.next() % 2 == 0
        let generator = Mutex(SplitMix64(seed: random.next()))
        options.random = { generator.withLock { $0.next() } }
        self.options = options
    }

    var instant: EngineInstant { EngineInstant(wall: wall, boot: boot) }

    // MARK: Chance

    func roll(_ count: Int) -> Int { Int(random.next() % UInt64(max(1, count))) }
    func chance(_ percent: Int) -> Bool { roll(100) < percent }
    func has(_ trouble: SimulationPlan.Trouble) -> Bool { plan.troubles.contains(trouble) }
    func pick<Element>(_ elements: [Element]) -> Element? { elements.isEmpty ? nil : elements[roll(elements.count)] }

    func say(_ text: @autoclosure () -> String) {
        if let trace { trace(text()) }
    }

    // MARK: The run

    /// Runs lives of the store until the plan's operations are done.
    /// - Throws: ``Finding``.
    func run() throws {
        while statistics.operations < plan.operations {
            try open()
            if reference.live.queues.isEmpty { try configureAll() }
            try live()
            try end()
        }
        try open()
        try finish()
        statistics.add(storage.hits)
        statistics.seeds = 1
    }

    /// Queues that are not set up keep their jobs for long: with a few it goes quicker.
    private func configureAll() throws {
        let requests = Self.allQueueNames.filter { _ in chance(80) }.map { ticket(.configure($0, settings(of: $0), .anything)) }
        statistics.operations += requests.count
        reference.turn(requests, at: instant)
        for (ticket, reply) in try ask(requests) { try reference.receive(ticket, reply, mayFail: false) }
    }

    /// What is left is as it should be, also after a last orderly stop.
    private func finish() throws {
        try observe()
        try readEverything()
        try readLate(all: true)
        try checkSpace()
        try close()
        let last = storage.kill()
        statistics.add(storage.hits)
        storage = last
        try openOnce()
        try match(candidates: reference.candidates())
        try close()
    }

    // MARK: Ends

    /// Ends a life in some way.
    func end() throws {
        let isFailed = engine?.failure != nil || storage.isStopped
        var ways = ["close"]
        if has(.kills) { ways += ["kill", "kill", "kill"] }
        if has(.power) { ways += ["power", "power", "power", "power"] }
        var way = pick(ways) ?? "close"
        if isFailed, way == "close" { way = has(.kills) ? "kill" : "power" }
        if isFailed, !has(.kills), !has(.power) { way = "kill" }
        storage.heal()
        switch way {
        case "close":
            if chance(50) { try readLate(all: true) }
            if let sync = syncUnderWay { try endSync(sync) }
            if let checkpoint = checkpointUnderWay {
                checkpointUnderWay = nil
                var failure: JournalError?
                do throws(JournalError) { try checkpoint.run() } catch { failure = error }
                engine?.endCheckpoint(checkpoint, failure: failure)
            }
            try close()
            replaceStorage(with: chance(50) && has(.power) ? storage.crash(seed: random.next()) : storage.kill())
        case "kill":
            say("SIGKILL")
            replaceStorage(with: storage.kill())
        default:
            say("power failure")
            replaceStorage(with: storage.crash(seed: random.next()))
            reboot()
        }
        if way != "power", chance(40) { reboot() }
        passTimeWhileOff()
    }

    func replaceStorage(with next: MemoryStorage) {
        engine = nil
        syncUnderWay = nil
        checkpointUnderWay = nil
        held = []
        late = []
        backup = nil
        statistics.add(storage.hits)
        storage = next
        storage.capacity = nil
        mayFail = false
        wasTight = wasTight || isTight
        isTight = false
    }

    private func close() throws {
        say("close")
        guard var engine = engine.take() else { return }
        engine.close()
        reference.record([.noted])
        if let failure = engine.failure {
            guard mayFail else { throw Finding("closing failed: \(failure)") }
        } else {
            isClosed = true
            reference.confirm(reference.newestUnit)
        }
        for wait in reference.waits { reference.open[wait.ticket] = Reference.Open(expected: .deliveries([]), unit: 0) }
        let replies = storage.withoutFaults { engine.takeReplies() }
        for (ticket, reply) in replies { try reference.receive(ticket, reply, mayFail: mayFail) }
        if engine.failure == nil, let ticket = reference.open.keys.min() {
            throw Finding("request \(ticket) was not answered when the store was closed")
        }
    }

    private func reboot() {
        boots += 1
        boot = Int64(1_000 + roll(100_000))
        engineOffset = nil
        if has(.clocks) { statistics.clocks[.reboot, default: 0] += 1 }
    }

    private func passTimeWhileOff() {
        // While it is open what happened before the crash, what time brings about would look like what was asked for.
        guard reference.pending.isEmpty else { return }
        let passed = Int64([0, roll(1_000), roll(60_000), roll(4 * 3_600_000)][roll(4)])
        wall += passed
        boot += passed
        guard has(.clocks), chance(12) else { return }
        defer { wallJumps.append((reference.engine, wall)) }
        let year: Int64 = 365 * 86_400_000
        switch roll(4) {
        case 0:
            wall += year
            statistics.clocks[.yearOff, default: 0] += 1
        case 1:
            wall -= year
            statistics.clocks[.yearOff, default: 0] += 1
        case 2:
            wall += Int64(roll(86_400_000))
            statistics.clocks[.wallForth, default: 0] += 1
        default:
            wall -= Int64(roll(86_400_000))
            statistics.clocks[.wallBack, default: 0] += 1
        }
    }
}
