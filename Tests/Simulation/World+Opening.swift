import GodwitCore
import GodwitEngine
import GodwitJournal

/// Openings, and what the store is found to hold after them.
extension World {
    typealias Tickets = [(ticket: UInt64, request: SteppedEngine.Request)]

    func ticket(_ request: SteppedEngine.Request) -> (ticket: UInt64, request: SteppedEngine.Request) {
        defer { nextTicket += 1 }
        return (nextTicket, request)
    }

    /// Opens the store, after openings that are cut off and with damage tried on the side, and takes up from what it holds.
    func open() throws {
        storage.phase = .recovery
        if has(.flips), chance(12), boots > 0, !storage.files.isEmpty { try tryFlip() }
        while has(.openings), chance(25) {
            let told = errors.count
            guard let trouble = try openWithTrouble() else { continue }
            // Of what cannot be read the operator is told.
            let hindrances: [Reference.Hindrance] =
                switch trouble {
                case .noRoom: [.queues]
                case .reads where errors.count > told: (0..<30).map { .reads($0) }
                default: []
                }
            return try match(candidates: reference.candidates(), hindrances)
        }
        try openOnce()
        try match(candidates: reference.candidates())
    }

    func openOnce() throws {
        storage.phase = .recovery
        let wasClosed = isClosed
        isClosed = false
        do throws(BrokerError) {
            engine = try SteppedEngine.open(storage, options: openingOptions(), at: instant)
        } catch {
            throw Finding("the store does not open: \(error)")
        }
        noteOpened()
        guard wasClosed, let recovery = engine?.recovery, !recovery.cuts.isEmpty || recovery.copiedGroups > 0 else { return }
        throw Finding("after an orderly stop something is cut or copied: \(recovery.cuts.map(\.file)), \(recovery.copiedGroups) groups")
    }

    func openingOptions() -> EngineOptions {
        var options = options
        options.clock = ManualClock(start: Timestamp(milliseconds: wall), boot: .milliseconds(boot), bootID: "boot-\(boots)")
        return options
    }

    private func noteOpened() {
        statistics.openings += 1
        lastDirty = boot
        waitQueue = roll(World.queueNames.count)
        if let recovery = engine?.recovery {
            say("opened: \(recovery.records) records, copied \(recovery.copiedGroups) groups, cut \(recovery.cuts.count)")
        }
    }

    /// What did not keep a store from opening.
    private enum OvercomeTrouble { case noRoom, reads, other }

    /// What it opened in spite of; nil when it did not open.
    private func openWithTrouble() throws -> OvercomeTrouble? {
        let trouble: String
        var overcome = OvercomeTrouble.other
        switch roll(8) {
        case 0, 1, 2:
            trouble = "all calls fail from some one on"
            storage.stop(at: 1 + roll([8, 40, 160][roll(3)]))
        case 3 where has(.errors) && chance(30):
            trouble = "a read fails"
            storage.fail(.read, at: 1 + roll(12))
        case 3 where has(.errors):
            trouble = "all reads fail from some one on"
            overcome = .reads
            storage.failAll(.read, from: 1 + roll(40))
        case 4 where has(.errors):
            trouble = "a call fails"
            storage.fail(pick([.write, .sync, .syncDirectory, .open, .create, .delete, .rename, .list, .size]) ?? .write, at: 1 + roll(4))
        case 5 where has(.full) && !usesFollowUps:
            trouble = "the disk is full"
            overcome = .noRoom
            storage.capacity = 0
        case 6 where has(.full) && !usesFollowUps:
            trouble = "a call finds no room"
            overcome = .noRoom
            storage.failAnyCall(at: 1 + roll(40), errno: 28)
        case 7 where has(.short):
            trouble = "short transfers"
            storage.transferLimit = 1 + roll(9_000)
        default: return nil
        }
        say("opening while \(trouble)")
        isClosed = false
        let before = storage.hits
        do throws(BrokerError) {
            engine = try SteppedEngine.open(storage, options: openingOptions(), at: instant)
            storage.heal()
            storage.capacity = nil
            noteOpened()
            makeRoom()
            return overcome
        } catch {
            guard storage.hits != before else { throw Finding("the store does not open: \(error)") }
            if error.code == .storeCorrupt { throw Finding("damage is reported where a call failed (\(trouble)): \(error)") }
            say("  it did not open: \(error)")
        }
        wasOpeningCutOff = true
        storage.heal()
        storage.capacity = nil
        // Time and boots stay as they are: what an opening that was cut off left durable has the same times then.
        if has(.power), chance(50) {
            replaceStorage(with: storage.crash(seed: random.next()))
        } else {
            replaceStorage(with: storage.kill())
        }
        storage.phase = .recovery
        return nil
    }

    /// An opening on a full disk leaves publishes refused until there are files for them again.
    private func makeRoom() {
        while let maintenance = engine?.beginMaintenance() { engine?.endMaintenance(maintenance.run()) }
    }

    // MARK: What is there

    static let recordKeys = (0..<5).map { RecordKey("record-\($0)") }
    /// What only follow-ups put: nobody but they changes them in one transaction.
    static let followKeys = (0..<2).map { RecordKey("followed-\($0)") }
    static let counterKeys = (0..<3).map { RecordKey("counter-\($0)") }
    static let allKeys = recordKeys + followKeys + counterKeys

    func observation() -> Tickets {
        sessionProbes() + [ticket(.list(JobQuery(limit: Limits.page))), ticket(.queues), ticket(.records(Self.allKeys))]
    }

    /// Leases that were renewed for another time than they were taken for: whether that outlives the process is not said, so their holders
    /// say it again.
    private func renewals() -> Tickets {
        let changed = reference.changedTerms.sorted { $0.key < $1.key }.compactMap { serial, term in
            reference.knowledge.tokens[serial].map { Renewal($0, term: .milliseconds(term)) }
        }
        return changed.isEmpty ? [] : [ticket(.renew(changed))]
    }

    /// Takes a turn with requests and syncs until all are answered.
    func ask(_ requests: Tickets) throws -> [(ticket: UInt64, reply: SteppedEngine.Reply)] {
        engine?.turn(requests, at: instant)
        var replies = engine?.takeReplies() ?? []
        while let sync = engine?.beginSync() {
            do throws(JournalError) { try sync.run() } catch { throw Finding("a sync fails for no reason: \(error)") }
            engine?.endSync(sync, failure: nil)
            replies += engine?.takeReplies() ?? []
        }
        if let failure = engine?.failure { throw Finding("the store fails for no reason: \(failure)") }
        return replies
    }

    /// Finds which of the states that a crash may have left is there, and goes on from it.
    func match(candidates: (base: Model, units: [ModelUnit]), _ hindrances: [Reference.Hindrance] = []) throws {
        reference = try matched(candidates, hindrances: hindrances)
        storage.phase = .append
    }

    /// - Parameters:
    ///   - isFlipped: whether bits flipped in it, so that what was confirmed may be lost.
    ///   - hindrances: what may have kept dead letters from being made.
    func matched(
        _ candidates: (base: Model, units: [ModelUnit]),
        isRestored: Bool = false,
        isFlipped: Bool = false,
        hindrances: [Reference.Hindrance] = []
    ) throws -> Reference {
        let requests = (isRestored ? [] : renewals()) + observation()
        let replies = try ask(requests)
        guard let time = engine?.time, let isClockDoubtful = engine?.isClockDoubtful else { throw Finding("the store is not open") }
        var candidate = candidates.base, differences: [String] = []
        let repeats = wasOpeningCutOff ? [false, true] : [false]
        let ways = (0...candidates.units.count).flatMap { applied in
            ([.none] + hindrances).flatMap { hindrance in repeats.map { (applied, hindrance, $0) } }
        }
        var lastApplied = 0
        for (applied, hindrance, isRepeated) in ways {
            if applied > lastApplied { candidate.apply(candidates.units[applied - 1]) }
            lastApplied = applied
            var trial = reference
            if isFlipped { trial.knowledge.forget(candidates.units[applied...]) }
            trial.resume(
                candidate,
                at: instant,
                engine: time,
                isClockDoubtful: isClockDoubtful,
                isRestored: isRestored,
                isRepeated: isRepeated,
                hindrance: hindrance
            )
            trial.turn(requests, at: instant)
            do {
                if let what = try trial.receive(all: replies) ?? difference(trial) {
                    differences.append(what)
                    continue
                }
            } catch let finding as Finding {
                differences.append(finding.description)
                continue
            }
            say("it holds \(applied) of \(candidates.units.count) units that were not confirmed")
            if !isRestored { try checkTime(candidate) }
            if let what = engine?.spaceError() { throw Finding(what) }
            try checkFiles()
            trial.noteAllSeen()
            wasOpeningCutOff = false
            return trial
        }
        var text = "after an opening the store holds none of the \(differences.count) states that it may"
        text += "\n  not all that was confirmed: \(differences.first ?? "")"
        if differences.count > 1 { text += "\n  nor all that was asked for: \(differences.last ?? "")" }
        if let trace { for (index, what) in differences.enumerated() { trace("  candidate \(index): \(what)") } }
        throw Finding(text)
    }

    /// No file takes room that the store does not know of, but for those that were put aside.
    private func checkFiles() throws {
        let aside = ["cut-", "damaged-", "lock"]
        let known = storage.files.filter { file in !aside.contains { file.hasPrefix($0) } }
        let there = known.reduce(0) { $0 + storage.size(of: $1) }
        guard let kept = engine?.diskBytes, there <= kept else {
            throw Finding("the folder's files take \(there) bytes, and the store knows of \(engine?.diskBytes ?? 0): \(known)")
        }
    }

    /// When nothing goes on any more, what is kept is what is needed, and what is ready for more.
    func checkSpace() throws {
        storage.heal()
        var idle = 0
        for _ in 0..<40 where idle < 3 {
            do throws(JournalError) {
                if let work = engine?.beginCheckpoint() {
                    try work.run()
                    engine?.endCheckpoint(work, failure: nil)
                }
                while let sync = engine?.beginSync() {
                    try sync.run()
                    engine?.endSync(sync, failure: nil)
                }
            } catch { throw Finding("what gives space back fails for no reason: \(error)") }
            makeRoom()
            if let moves = engine?.beginMoves() { engine?.endMoves(moves.run()) } else { idle += 1 }
        }
        guard let kept = engine?.diskBytes, let live = engine?.liveBytes else { return }
        // Segments that are being filled or ready, and checkpoints.
        let most = 2 * live + 12 * options.segmentBytes + 512 << 10
        guard kept <= most else { throw Finding("the store takes \(kept) bytes of disk for \(live) that are needed") }
        try checkFiles()
    }

    /// The engine's time goes on from where it was: exactly within one boot, by the wall clock otherwise, and never back.
    private func checkTime(_ candidate: Model) throws {
        guard let engine = engine?.time else { return }
        defer {
            engineOffset = engine - boot
            wasTight = false
            wallJumps = []
        }
        // What was refused on a full disk without anybody's seeing it, or is lost to a flip, left no time behind.
        if wasTight { return }
        guard engine >= candidate.engine else { throw Finding("engine time went back, from \(candidate.engine) to \(engine)") }
        if let engineOffset {
            let expected = max(boot + engineOffset, candidate.engine)
            guard engine == expected else { throw Finding("engine time is \(engine) after a restart within one boot, not \(expected)") }
        } else if candidate.unit > 0 {
            // What the model does not see, such as a move, says what time it was, too.
            let jumps = wallJumps.filter { $0.engine >= candidate.engine }.map(\.wall)
            let earliest = min(candidate.wall, reference.instant.wall, jumps.min() ?? .max)
            let most = max(candidate.engine, reference.engine) + min(max(0, wall - earliest), 7 * 86_400_000)
            guard engine <= most else { throw Finding("engine time is \(engine) after another boot, at most \(most) is believed") }
        }
    }

    /// All that there is, compared once more.
    func observe() throws {
        let requests = observation()
        reference.turn(requests, at: instant)
        for (ticket, reply) in try ask(requests) { try reference.receive(ticket, reply, mayFail: false) }
        if let ticket = reference.open.keys.min() { throw Finding("request \(ticket) was not answered") }
        if let what = difference(reference) { throw Finding(what) }
    }

    /// How that which no answer tells differs from the model's, so that states which answer alike are told apart; nil where it does not.
    func difference(_ reference: Reference) -> String? {
        (engine?.lines()).flatMap { Comparison.difference($0, reference) } ?? paceDifference(reference.live.paces)
    }

    /// How the jobs that ended in busy time differ from the model's.
    func paceDifference(_ paces: QueueMap<ModelPace>) -> String? {
        for (name, found) in engine?.paces() ?? [:] {
            let pace = paces[name] ?? ModelPace()
            guard pace.isWhole, found != (pace.busy, pace.ended) else { continue }
            return "\(found.ended) jobs ended in \(found.busy) ms for which the queue \(name) was busy, not \(pace.ended) in \(pace.busy)"
        }
        return nil
    }

    /// Tells the trace what the engine and the model hold, once they differ.
    func dump() {
        guard engine?.failure == nil else { return }
        for (_, reply) in (try? ask([ticket(.list(JobQuery(limit: Limits.page))), ticket(.queues)])) ?? [] {
            switch reply {
            case .page(let page):
                for job in page.jobs { say("  engine: \(job.name ?? "?") in \(job.queue), \(job.state), attempt \(job.attempt)") }
            case .statuses(let statuses): for status in statuses { say("  engine: \(status)") }
            default: say("  engine: \(reply)")
            }
        }
        for job in reference.live.allJobs {
            let place = "model: \(job.title) in \(job.queue), \(job.state), attempt \(job.attempt), ended \(job.ended), unit \(job.unit)"
            say("  \(place)\(reference.isUnsure(job) ? ", may be gone" : "")")
        }
        for (name, queue) in reference.live.queues { say("  model: \(name), \(queue)") }
        for (id, session) in reference.live.sessions { say("  model: \(id), \(session)") }
    }

    /// Those that are there when they are asked for: what follows an end may have ended others, and one of them is dropped first.
    var jobsToRead: [ModelJob] {
        let reference = reference, overfull = overfull
        return reference.live.allJobs.filter { !reference.isUnsure($0) && !($0.state.isFinal && overfull.contains($0.queueWord)) }
    }

    /// Every payload and result.
    func readEverything() throws {
        var requests: Tickets = []
        for job in jobsToRead {
            guard let id = reference.knowledge.ids[job.number] else { continue }
            requests.append(ticket(.payload(id)))
            if job.state == .succeeded { requests.append(ticket(.result(id))) }
        }
        reference.turn(requests, at: instant)
        for (ticket, reply) in try ask(requests) { try reference.receive(ticket, reply, mayFail: false) }
    }
}
