import GodwitCore
import GodwitEngine
import GodwitJournal

/// A life of the store: turns of random requests at random times, with syncs that are early, late or in flight, and trouble.
extension World {
    func live() throws {
        var turns = [roll(6), roll(80), roll(200)][roll(3)]
        isTight = has(.full) && chance(usesFollowUps ? 0 : 14) && canBeTight
        isHurried = !isTight && chance(12)
        if isTight {
            // Each is followed by a look at everything.
            turns = min(turns, 25)
            clients = []
            storage.capacity = storage.allocatedBytes + roll(3) * options.segmentBytes
        }
        for _ in 0..<turns where isAlive && statistics.operations < plan.operations {
            passTime()
            // What is over is known before anybody asks for it.
            reference.pass(to: instant)
            storage.phase = .append
            if isTight { try takeTightTurn() } else { try takeTurn() }
        }
        if engine?.failure != nil { say("the store failed: \(engine?.failure.map { "\($0)" } ?? "")") }
    }

    /// Where dead letter queues are there that may be needed: on a full disk there may be no room to make them.
    private var canBeTight: Bool {
        reference.live.queues.values.allSatisfy { queue in
            queue.settings.deadLetterQueue.map { name in reference.live.queues.keys.contains { $0.description == name } } ?? true
        }
    }

    private var isAlive: Bool { engine?.failure == nil && !storage.isStopped }

    /// Moves the clocks, mostly a little.
    private func passTime() {
        let passed: Int64
        switch roll(100) {
        case 0..<60: passed = Int64(1 + roll(40))
        case 60..<78: passed = Int64(1 + roll(900))
        case 78..<90: passed = Int64(1_000 + roll(4_000))
        case 90..<96: passed = Int64(1 + roll(90_000))
        case 96: passed = Int64(roll(5 * 3_600_000))
        case 97:
            passed = 0
            if has(.clocks) { statistics.clocks[.stall, default: 0] += 1 }
        default: passed = 5
        }
        if passed > 60_000, has(.clocks) { statistics.clocks[.leap, default: 0] += 1 }
        boot += passed
        wall += passed
        guard has(.clocks), chance(1) else { return }
        defer { wallJumps.append((reference.engine, wall)) }
        switch roll(3) {
        case 0:
            wall += Int64(roll(3_600_000))
            statistics.clocks[.wallForth, default: 0] += 1
        case 1:
            wall -= Int64(roll(3_600_000))
            statistics.clocks[.wallBack, default: 0] += 1
        default:
            wall += (chance(50) ? 1 : -1) * 365 * 86_400_000
            statistics.clocks[.yearOff, default: 0] += 1
        }
    }

    // MARK: Turns

    private func takeTurn() throws {
        armTrouble()
        let requests = makeRequests(most: 4)
        try turn(requests)
        try receive()
        if chance(isHurried ? 60 : 20) { try maintain() }
        if isAlive { try seeToSpace() }
        if isAlive, backup != nil, chance(50) { try goOnWithBackup() }
        guard isAlive else { return }
        try sync()
        try idle()
    }

    private func turn(_ requests: Tickets) throws {
        for (_, request) in requests { say("t=\(boot) \(Trace(request: request, knowledge: reference.knowledge))") }
        statistics.turns += 1
        engine?.turn(requests, at: instant)
        reference.turn(requests, at: instant)
        if storage.isStopped { return }
        guard engine?.failure == nil else {
            if !mayFail { throw Finding("the store fails for no reason: \(engine?.failure.map { "\($0)" } ?? "")") }
            return
        }
        if let time = engine?.time, time != reference.engine { throw Finding("engine time is \(time), not \(reference.engine)") }
        if engine?.isSynced == false { lastDirty = boot }
        // How fast jobs end decides only now and then: it is compared all the time.
        if let what = paceDifference(reference.live.paces) { throw Finding(what) }
    }

    private func armTrouble() {
        guard chance(4) else { return }
        switch roll(6) {
        case 0 where has(.errors):
            say("a write will fail")
            storage.fail(.write, at: 1 + roll(6), errno: chance(50) ? 5 : 28)
            mayFail = true
        case 1 where has(.errors):
            say("a sync will fail")
            storage.fail(.sync, at: 1 + roll(6))
            mayFail = true
        case 2 where has(.errors):
            say("a call will fail")
            storage.fail(pick([.create, .rename, .syncDirectory]) ?? .create, at: 1 + roll(2))
            mayFail = true
        case 3 where has(.short):
            storage.shorten(chance(50) ? .write : .read, at: 1 + roll(6), to: roll(5_000))
        case 4 where has(.kills) || has(.power):
            say("all calls will fail from some one on")
            storage.stop(at: 1 + roll(20))
            mayFail = true
        default: break
        }
    }

    // MARK: The journal's needs

    /// Syncs now, later, or lets a sync be under way while others come in.
    private func sync() throws {
        if let sync = syncUnderWay {
            guard chance(60) else { return }
            try endSync(sync)
        }
        guard isAlive else { return }
        switch roll(isHurried ? 25 : 10) {
        case 0, 1: return
        case 10...: return
        case 2, 3, 4:
            storage.phase = .append
            guard let sync = engine?.beginSync() else { return try checkFailure() }
            syncUnderWay = sync
            try receive()
        default: try syncAll()
        }
    }

    private func syncAll() throws {
        storage.phase = .append
        if let sync = syncUnderWay { try endSync(sync) }
        while let sync = engine?.beginSync() {
            try endSync(sync)
            storage.phase = .append
        }
        try checkFailure()
        guard isAlive else { return }
        guard engine?.isSynced == true else { throw Finding("there is nothing to sync, and not all is durable") }
        let waiting = Set(reference.waits.map(\.ticket))
        if let ticket = reference.open.keys.filter({ !waiting.contains($0) }).min() {
            throw Finding("all is durable and request \(ticket) is not answered: \(String(describing: reference.open[ticket]).prefix(300))")
        }
    }

    func endSync(_ sync: JournalSync) throws {
        syncUnderWay = nil
        storage.phase = .sync
        if has(.full), chance(1) {
            say("a sync finds no room")
            storage.fail(.sync, errno: 28)
            mayFail = true
        }
        do throws(JournalError) {
            try sync.run()
            // A process may end between the sync and its being noticed.
            if has(.kills), chance(1) {
                say("the process ends before it sees its sync's end")
                storage.stop(at: 1)
                mayFail = true
            }
            engine?.endSync(sync, failure: nil)
        } catch {
            guard mayFail else { throw Finding("a sync fails for no reason: \(error)") }
            engine?.endSync(sync, failure: error)
        }
        try receive()
    }

    private func checkFailure() throws {
        if let failure = engine?.failure, !mayFail { throw Finding("the store fails for no reason: \(failure)") }
        try receive()
    }

    /// What the engine does when it is idle, and what must be true then.
    private func idle() throws {
        guard syncUnderWay == nil, isAlive else { return }
        storage.phase = .sync
        engine?.markIfIdle()
        try checkFailure()
        if isAlive, engine?.isSynced == true, boot - lastDirty >= 1_000 { reference.vouch(until: boot - 1_000) }
    }

    /// Work on files that the engine's thread hands to another one.
    private func maintain() throws {
        guard let maintenance = engine?.beginMaintenance() else { return }
        storage.phase = maintenance.phase
        // Without room for another file publishes are refused: that is for lives with a full disk.
        let isTroubled = !isTight && chance(25)
        if isTroubled, has(.errors), chance(60) {
            storage.failAnyCall(at: 1 + roll(4))
        } else if isTroubled, has(.kills) || has(.power) {
            storage.stop(at: 1 + roll(4))
            mayFail = true
        }
        let result = maintenance.run()
        if let failure = result.failure, !isTroubled, !mayFail, !isTight {
            throw Finding("work on files fails for no reason: \(failure)")
        }
        engine?.endMaintenance(result)
        if storage.isStopped { return }
        if isTroubled { storage.heal() }
        storage.phase = .append
    }

    /// Checkpoints and moves, which the engine's thread hands to others, too: they are under way while turns go on.
    private func seeToSpace() throws {
        if let checkpoint = checkpointUnderWay {
            guard chance(50) else { return }
            checkpointUnderWay = nil
            storage.phase = .checkpoint
            let isTroubled = armSpaceTrouble()
            var failure: JournalError?
            do throws(JournalError) { try checkpoint.run() } catch { failure = error }
            if storage.isStopped { return }
            if isTroubled { storage.heal() }
            if let failure, !isTroubled, !mayFail, !isTight { throw Finding("a checkpoint fails for no reason: \(failure)") }
            say(failure == nil ? "a checkpoint is written" : "a checkpoint fails")
            engine?.endCheckpoint(checkpoint, failure: failure)
        } else if engine?.isCheckpointDue == true || chance(isHurried ? 35 : 3) {
            storage.phase = .checkpoint
            checkpointUnderWay = engine?.beginCheckpoint()
        }
        guard isAlive, chance(isHurried ? 60 : 30) else {
            storage.phase = .append
            return
        }
        storage.phase = .compaction
        if let moves = engine?.beginMoves() {
            let isTroubled = armSpaceTrouble()
            let found = moves.run()
            if storage.isStopped { return }
            if isTroubled { storage.heal() }
            engine?.endMoves(found)
            say("things were moved out of a segment")
            // What was moved is not synced: whatever is done to files now must wait for that.
            while isHurried, isAlive, chance(70) { try maintain() }
        }
        if engine?.isSynced == false { lastDirty = boot }
        storage.phase = .append
        try checkFailure()
    }

    /// Whether something fails in what is now done.
    private func armSpaceTrouble() -> Bool {
        guard !isTight, chance(25) else { return false }
        switch roll(4) {
        case 0 where has(.errors): storage.fail(.write, at: 1 + roll(3), errno: chance(50) ? 5 : 28)
        case 1 where has(.errors): storage.fail(.read, at: 1 + roll(3))
        case 2 where has(.errors): storage.fail(.sync, at: 1)
        case 3 where has(.kills) || has(.power):
            storage.stop(at: 1 + roll(6))
            mayFail = true
        default: return false
        }
        return true
    }

    // MARK: A full disk

    /// On a full disk each turn is one request, and everything is looked at after it: what there was no room for did not happen, and
    /// all else did.
    private func takeTightTurn() throws {
        if chance(20) { try maintain() }
        if chance(50) { try seeToSpace() }
        if chance(10) { storage.capacity = storage.allocatedBytes + roll(2) * options.segmentBytes }
        let requests = makeRequests(most: 1)
        let looks: Tickets = [ticket(.list(JobQuery(limit: Limits.page))), ticket(.queues), ticket(.records(Self.allKeys))]
        for (_, request) in requests { say("t=\(boot), full disk: \(Trace(request: request, knowledge: reference.knowledge))") }
        statistics.turns += 1
        storage.phase = .append
        engine?.turn(requests + looks, at: instant)
        if engine?.isSynced == false { lastDirty = boot }
        var replies = engine?.takeLooks() ?? []
        while let sync = engine?.beginSync() {
            do throws(JournalError) { try sync.run() } catch { throw Finding("a sync fails for no reason: \(error)") }
            engine?.endSync(sync, failure: nil)
            replies += engine?.takeLooks() ?? []
        }
        if let failure = engine?.failure { throw Finding("the store fails on a full disk: \(failure)") }
        reference = try explained(requests + looks, replies, requests.map(\.ticket))
    }

    private func explained(
        _ requests: Tickets,
        _ replies: [(ticket: UInt64, reply: SteppedEngine.Reply)],
        _ refusable: [UInt64]
    ) throws -> Reference {
        var first: String?
        func isRight(_ shortage: Reference.Shortage) throws -> Reference? {
            var trial = reference
            trial.turn(requests, at: instant, shortage)
            guard let what = try trial.receive(all: replies) ?? difference(trial) else { return trial }
            first = first ?? what
            say("  \(shortage): \(what)")
            return nil
        }
        // Mostly there was room for everything.
        if let right = try isRight(.none) { return right }
        for shortage in shortages(refusable) where shortage != .none { if let right = try isRight(shortage) { return right } }
        throw Finding("on a full disk something else happened than there was room for: \(first ?? "")")
    }

    /// What there may have been no room for.
    private func shortages(_ refusable: [UInt64]) -> [Reference.Shortage] {
        let refusals = [(nil, false)] + refusable.flatMap { [(Optional($0), false), ($0, true)] }
        var shortages: [Reference.Shortage] = []
        for time in [nil] + (0..<12).map({ Optional($0) }) {
            shortages += refusals.map { Reference.Shortage(time: time, refused: $0, isPostponed: $1) }
        }
        shortages += shortages.map { shortage in
            var shortage = shortage
            shortage.keepsLarge = true
            return shortage
        }
        var trial = reference
        trial.pass(to: instant)
        let overdue = trial.overdue.map(\.number).prefix(7)
        guard overdue.count > 1 else { return shortages }
        for bits in 1..<(1 << overdue.count) - 1 {
            let leases = Set(overdue.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element))
            shortages += refusals.map { Reference.Shortage(leases: leases, refused: $0, isPostponed: $1) }
        }
        return shortages
    }
}
