import GodwitCore
import GodwitEngine

/// What clients ask for.
extension World {
    static let queueNames: [QueueName] = ["a", "b", "c"].map { name in
        do { return try QueueName(name) } catch { preconditionFailure("a good name") }
    }

    /// Beside those that jobs are published to, the one that nothing but dead letters goes to.
    static let allQueueNames = queueNames + [deadLetters]
    private static let deadLetters: QueueName = {
        do { return try QueueName("dead") } catch { preconditionFailure("a good name") }
    }()

    private var queue: QueueName { pick(Self.allQueueNames) ?? Self.queueNames[0] }

    /// Up to so many requests for one turn.
    func makeRequests(most: Int) -> Tickets {
        let count = most == 1 ? 1 : roll(most + 1)
        if !reference.ties.isEmpty, most > 1 { return [ticket(.list(JobQuery(limit: Limits.page)))] }
        isAlone = count == 1
        return (0..<count).compactMap { _ in
            guard let request = makeNumberedRequest() else { return nil }
            statistics.operations += 1
            return request
        }
    }

    private func makeNumberedRequest() -> (ticket: UInt64, request: SteppedEngine.Request)? {
        switch roll(isHurried ? 40 : 100) {
        case 0..<4: publishBatch()
        case 4..<7: completeBatch()
        case 7..<11 where isHurried: leaseBatch().map { ticket($0) }
        default: makeRequest().map { ticket($0) }
        }
    }

    private func makeRequest() -> SteppedEngine.Request? {
        switch roll(100) {
        case 0..<22: return publish()
        case 22..<37: return lease()
        case 37..<41: return leaseBatch()
        case 41..<58: return settle()
        case 58..<63: return many()
        case 63..<69: return commitInSession()
        case 69..<73: return renew()
        case 73..<80: return change()
        case 80..<83: return .commit([Transaction(usesFollowUps && chance(60) ? step() : record())])
        case 83..<85: return .records([pick(usesFollowUps ? Self.allKeys : Self.recordKeys) ?? Self.recordKeys[0]])
        case 85..<90: return read()
        case 90: return isTight ? nil : .list(JobQuery(limit: Limits.page))
        case 91: return .queues
        case 92, 93: return configure()
        case 94: return existing.map { .pause($0, chance(50)) }
        case 95:
            let name = queue
            return chance(60) && canEndAll ? .purge(name) : nil
        case 96: return delete()
        case 97: return isTight ? nil : .closeHolder(HolderID("holder-\(roll(4))"))
        case 98: return isTight || backup != nil || chance(50) ? .check : .backup
        default:
            guard !isTight, let ticket = pick(reference.open.keys.sorted()) else { return nil }
            return .abandon(ticket)
        }
    }

    private func delete() -> SteppedEngine.Request? {
        let name = queue
        // On a full disk there may be no room to make a dead letter queue anew.
        let isNeeded = reference.live.queues.values.contains { $0.settings.deadLetterQueue == name.description }
        return chance(40) && !(isTight && isNeeded) && canEndAll ? .delete(name, purging: chance(50)) : nil
    }

    /// Whether all jobs of a queue may be ended at once. What follows their ends is done when they are met: in the next turn at the latest,
    /// and, which is not said, where something else in the same turn meets them before.
    private var canEndAll: Bool { !usesFollowUps || isAlone }

    private var existing: QueueName? { pick(reference.live.queues.keys.sorted()) }

    // MARK: Publishing

    private func publish() -> SteppedEngine.Request? {
        let count = isTight ? 1 : 1 + roll(10) / 8 * roll(3)
        let messages = (0..<count).compactMap { _ in message() }
        statistics.operations += max(0, messages.count - 1)
        return messages.isEmpty ? nil : .commit(messages.map { Transaction(.enqueue($0)) })
    }

    /// A new message. Its name is its number, so messages must be asked for in the order in which they are decided on.
    func message() -> NewMessage? {
        guard let queue = isTight ? existing : pick(Self.queueNames), isWaitCertain(of: queue) else { return nil }
        var deduplication: NewMessage.Deduplication?
        if chance(15) {
            let key = NewMessage.Deduplication(key: "key-\(roll(5))", fingerprint: chance(40) ? UInt64(1 + roll(2)) : nil)
            if isCertain(key, in: queue) { deduplication = key }
        }
        let number = reference.takeNumber()
        var message = NewMessage(queue: queue, payload: payload(number), name: ModelJob.name(of: number))
        message.deduplication = deduplication
        if chance(20) { message.headers = [Header(name: "number", value: "\(number)")] }
        if chance(30) { message.priority = pick([1, 7, 255]) ?? 0 }
        if chance(25) {
            message.start =
                chance(70)
                ? .after(.milliseconds(pick([1, 200, 3_000, 60_000, 86_400_000]) ?? 0))
                : .at(Timestamp(milliseconds: wall + Int64(roll(60_000)) - 5_000))
        }
        if chance(15) { message.expires = .milliseconds(pick([5, 2_000, 60_000]) ?? 1) }
        message.maxAttempts = chance(70) ? 1 + roll(4) : nil
        if chance(25) { message.group = "group-\(roll(3))" }
        if chance(10) { message.claim = "claim-\(roll(3))" }
        if usesFollowUps, chance(25) { message.onFinal = (0...roll(2)).map { _ in FollowUp(followUp(), when: states()) } }
        // Neither a key nor a group nor a claim may outlive it.
        if usesTransients, deduplication == nil, message.group == nil, message.claim == nil, message.onFinal.isEmpty {
            message.isTransient = chance(30)
        }
        // What takes too long with attempts left is retried when the engine chooses to: jobs of this queue leave no dead letters, which
        // would have other attempts.
        if queue == Self.queueNames[2], chance(12) {
            message.timeout = .milliseconds(1_000 + roll(4_000))
            message.maxAttempts = 1
        }
        return message
    }

    func payload(_ number: Int) -> Content {
        // A transaction of several fits a segment, dead letters of what it drops among them: what does not is refused, by its records' size.
        let most = options.segmentBytes < 64 << 10 ? 1_000 : isHurried ? 1_800 : 3_000
        let length = chance(isHurried ? 40 : 85) ? roll(60) : roll(most)
        var bytes = Array("\(number):".utf8)
        bytes.reserveCapacity(bytes.count + length)
        var value = UInt8(truncatingIfNeeded: number)
        for _ in 0..<length {
            value = value &* 33 &+ 17
            bytes.append(value)
        }
        return Content(Bytes(bytes), type: Content.binary)
    }

    /// Whether it is certain what a key's use comes to: a key whose window is over may be remembered a little longer.
    func isCertain(_ key: NewMessage.Deduplication, in name: QueueName) -> Bool {
        let reference = reference
        guard let queue = reference.live.queues[name] else { return true }
        if let known = queue.keys[key.key] { return !isTight && !reference.isUnsure(known, in: queue) }
        return queue.keys.count + 8 < queue.settings.dedupMax || !queue.keys.values.contains { reference.isUnsure($0, in: queue) }
    }

    /// Whether it is certain if a newcomer would have to wait for too long, whatever else comes and ends in the same turn.
    func isWaitCertain(of name: QueueName) -> Bool {
        guard let most = reference.live.queues[name]?.settings.maxWait, let pace = reference.live.paces[name], !pace.isWhole else {
            return true
        }
        let ahead = reference.live.ahead(name)
        let verdicts = [max(0, ahead - 20), ahead + 20].map { pace.isSlow($0, most.inMilliseconds, others: 20) }
        return verdicts[0] != nil && verdicts[0] == verdicts[1]
    }

    /// New settings of a queue; not while something in it is over and may be there still, for it is free to take that back or not.
    private func configure() -> SteppedEngine.Request? {
        let name = queue, reference = reference
        if let queue = reference.live.queues[name] {
            guard !queue.keys.values.contains(where: { reference.isUnsure($0, in: queue) }),
                !reference.live.allJobs.contains(where: { $0.queue == name && reference.isUnsure($0) }), !overfull.contains(name.word)
            else { return nil }
        }
        return .configure(name, settings(of: name), chance(80) ? .anything : .absent)
    }

    func settings(of name: QueueName) -> QueueSettings {
        var settings = QueueSettings()
        settings.overflow = chance(40) ? .dropOldest : .reject
        if chance(25) { settings.ttl = .milliseconds(pick([300, 5_000, 60_000]) ?? 1) }
        if chance(30) { settings.maxDeliveries = 1 + roll(4) }
        if name != Self.queueNames[2], chance(50) {
            let others = Self.allQueueNames.filter { $0 != name && (!isTight || reference.live.queues[$0] != nil) }
            settings.deadLetterQueue = pick(others)?.description
        }
        settings.maxJobs = pick([5, 15, 40]) ?? 0
        settings.maxBytes = pick([600, 20_000, 1 << 30]) ?? 0
        if chance(25) { settings.maxWait = .milliseconds(pick([50, 1_000, 10_000, 60_000]) ?? 0) }
        settings.maxAttempts = 1 + roll(5)
        settings.lease = .milliseconds(pick([100, 2_000, 30_000]) ?? 0)
        settings.dedupWindow = .milliseconds(pick([500, 20_000, 86_400_000]) ?? 0)
        settings.dedupMax = pick([2, 1_000_000]) ?? 0
        switch roll(8) {
        case 0, 1: settings.retention = .none
        case 2, 3, 4: settings.retention = .keep(succeeded: .seconds(10), failed: .seconds(40), count: 1_000_000)
        case 5, 6: settings.retention = .keep(succeeded: .seconds(365 * 86_400), failed: .seconds(365 * 86_400), count: roll(4))
        default: break
        }
        return settings
    }

    // MARK: Leases

    private func lease() -> SteppedEngine.Request? {
        var names = Self.queueNames
        let first = roll(names.count)
        names = chance(70) || isTight ? [names[first]] : Array(names[first...] + names[..<first])
        if chance(15) { names = [Self.deadLetters] }
        if isTight, reference.live.queues[names[0]] == nil { return nil }
        let index = roll(4)
        let order: HolderOptions.Order = names.count > 1 && chance(50) ? .weighted([1, 3, 2]) : .strict
        let holder = HolderOptions(id: HolderID("holder-\(index)"), queues: names, order: order, capacity: 1, isEmbedded: index == 3)
        let term: LeaseTerm =
            switch roll(10) {
            case 0...3: .queue
            case 4: .holderLife
            default: .fixed(.milliseconds(pick([100, 900, 5_000, 60_000, 7_200_000]) ?? 0))
            }
        var wait: Duration = .zero
        if !isTight, names == [Self.queueNames[waitQueue]], chance(50) { wait = .milliseconds(pick([1, 500, 20_000]) ?? 0) }
        return .lease(holder, max: chance(80) ? 1 + roll(3) : 1 + roll(40), term: term, wait: wait)
    }

    /// A token that somebody has: of a lease that goes on, or of one that is over.
    private func token() -> LeaseToken? {
        let tokens = reference.knowledge.tokens
        let known = reference.live.allJobs.compactMap { job in job.lease.flatMap { tokens[$0.serial] } }
        if let live = pick(known), chance(92) { return live }
        return pick(tokens.keys.suffix(40)).flatMap { tokens[$0] }
    }

    private func settle() -> SteppedEngine.Request? { settlement().map { .commit([Transaction($0)]) } }

    func settlement() -> GodwitCore.Operation? {
        guard let token = token() else { return nil }
        switch roll(12) {
        case 10 where reference.leased(token)?.message.timeout == nil:
            let failure = Failure(message: "it makes no sense", code: chance(50) ? "nonsense" : nil)
            return .deadLetter(token, failure, to: isTight || chance(50) ? nil : pick(Self.allQueueNames))
        case 0...4: return .complete(token, result: chance(50) ? payload(roll(1_000)) : nil)
        case 5, 6:
            let failure = Failure(message: "it did not work", code: chance(80) ? "code-\(roll(3))" : nil)
            let delays: [Duration] = [.zero, .milliseconds(300), .seconds(20)]
            return .fail(token, failure, retry: chance(80) ? .after(pick(delays) ?? .zero) : .never)
        default:
            if chance(25) { return .release(token, delay: nil, counted: false, to: .untouched) }
            let delays: [Duration?] = [nil, nil, .milliseconds(700), .seconds(30)]
            return .release(
                token,
                delay: pick(delays) ?? nil,
                counted: chance(40),
                to: chance(25) ? .back : .original,
                amending: chance(20) ? [Header(name: pick(["number", "tried"]) ?? "", value: "\(roll(100))")] : []
            )
        }
    }

    private func renew() -> SteppedEngine.Request? {
        let renewals = (0...roll(3)).compactMap { _ -> Renewal? in
            guard let token = token() else { return nil }
            let term: Duration? = chance(30) ? .milliseconds(pick([100, 4_000, 60_000]) ?? 0) : nil
            let progress = chance(30) && !isTight ? JobProgress(fraction: Double(roll(4)) / 4, note: "note \(roll(1_000))") : nil
            return Renewal(token, term: term, progress: progress)
        }
        return renewals.isEmpty ? nil : .renew(renewals)
    }

    // MARK: Jobs and records

    private func job(_ isMeant: (ModelJob) -> Bool = { _ in true }) -> JobID? {
        // One copy of it, not one for each job.
        let overfull = overfull, reference = reference
        let jobs = reference.live.allJobs.filter {
            isMeant($0) && !reference.isUnsure($0)
                && !(($0.state.isFinal || $0.lease != nil || $0.expires != nil) && overfull.contains($0.queueWord))
        }.map(\.number)
        return pick(jobs).flatMap { reference.knowledge.ids[$0] }
    }

    /// Queues that may drop ended jobs at the next turn: time may end some more before, and what follows ends any.
    /// By their names as numbers.
    var overfull: [UInt64] {
        let jobs = reference.live.allJobs
        var words: [UInt64] = []
        for (name, queue) in reference.live.queues where queue.keptCount < jobs.count {
            let word = name.word
            let count = jobs.count { job in
                job.queueWord == word && (usesFollowUps || job.state.isFinal || job.lease != nil || job.expires != nil)
            }
            if count > queue.keptCount { words.append(word) }
        }
        return words
    }

    private func change() -> SteppedEngine.Request? {
        switch roll(4) {
        case 3:
            let dead = job { $0.message.timeout == nil && ($0.state.isFinal || !$0.deaths.isEmpty) }
            return dead.map { .commit([Transaction(.redrive($0))]) }
        case 0: return job().map { .commit([Transaction(.cancel($0))]) }
        case 1: return job { $0.message.timeout == nil }.map { .commit([Transaction(.retry($0))]) }
        default: return job { $0.state.isFinal || chance(10) }.map { .commit([Transaction(.forget($0))]) }
        }
    }

    private func read() -> SteppedEngine.Request? {
        switch roll(4) {
        case 0: return job().map { .payload($0) }
        case 1: return job { $0.state == .succeeded }.map { .result($0) }
        default:
            let ids = reference.knowledge.ids, known = ids.keys
            let asked = (0...roll(4)).compactMap { _ in pick(known).flatMap { ids[$0] } }
            return asked.isEmpty ? nil : .read(asked)
        }
    }

    func record() -> GodwitCore.Operation {
        let key = pick(Self.recordKeys) ?? Self.recordKeys[0]
        let expectation: Expectation
        switch roll(4) {
        case 0: expectation = .absent
        case 1:
            let unit = reference.live.records[key]?.unit ?? 0
            let known = reference.knowledge.recordVersions[Knowledge.RecordChange(key: key, unit: unit)]
            expectation = known.map { .version($0) } ?? .anything
        default: expectation = .anything
        }
        if chance(20) { return .delete(key, expecting: expectation) }
        let lifetime: Duration? = chance(30) ? .milliseconds(pick([1, 5_000, 600_000]) ?? 1) : nil
        return .put(key, value: Bytes("value \(nextTicket)-\(roll(1 << 30))"), expecting: expectation, lifetime: lifetime)
    }

    /// A transaction of several operations, with a lease's end first, as workers make them.
    private func many() -> SteppedEngine.Request? {
        var operations: [GodwitCore.Operation] = []
        if chance(70), let settlement = settlement() { operations.append(settlement) }
        for _ in 0...roll(4) {
            switch roll(6) {
            case 0, 1, 2: if let message = message() { operations.append(.enqueue(message)) }
            case 3: operations.append(usesFollowUps && chance(60) ? step() : record())
            case 4: if let settlement = settlement() { operations.append(settlement) }
            default: if let id = job({ $0.message.timeout == nil }) { operations.append(chance(50) ? .cancel(id) : .retry(id)) }
            }
        }
        guard !operations.isEmpty else { return nil }
        statistics.operations += operations.count - 1
        return .commit([Transaction(operations)])
    }
}
