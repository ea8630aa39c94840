import GodwitCore

/// A queue engine as one would write it without any care for speed, durability or memory: what the real one is compared with.
///
/// It is a plain value, changed by ``apply(_:)`` alone, so that what a crash may have left is told by applying fewer units.
struct Model {
    private var jobs = JobTable()
    private(set) var queues = QueueMap<ModelQueue>()
    private(set) var records: [RecordKey: ModelRecord] = [:]
    private(set) var counters: [RecordKey: ModelCounter] = [:]
    /// What is to follow ends, in their order.
    private(set) var owed: [ModelOwed] = []
    /// The same for ends by purges and deletions of queues, whose jobs are met one by one in the next turn.
    private var unmet: [ModelOwed] = []
    /// The members of each ordered group in their order.
    private var groups: [ModelGroup: [Int]] = [:]
    private(set) var sessions: [String: ModelSession] = [:]
    /// Of this life of the store.
    private(set) var paces = QueueMap<ModelPace>()
    /// Queues that somebody waits for.
    var awaited: Set<QueueName> = []
    /// How long queues keep ended jobs, which is asked for each of them all the time.
    private var retentions: [ModelRetention] = []
    private var nextOrder = 0

    /// The newest unit, and its time.
    private(set) var unit = 0
    private(set) var engine: Int64 = 0
    private(set) var wall: Int64 = 0

    // MARK: Looking

    func job(_ number: Int) -> ModelJob? { jobs[number] }
    /// In the order of their numbers.
    var allJobs: [ModelJob] { jobs.all }

    /// The ready jobs of a queue, in order.
    func ready(_ queue: QueueName, most: Int) -> [ModelJob] {
        let word = queue.word
        var found = jobs.all.filter { $0.state == .queued && $0.queueWord == word && isItsTurn($0) }
        found.sort { ($1.message.priority, $0.order) < ($0.message.priority, $1.order) }
        return Array(found.prefix(most))
    }

    /// All jobs of a queue that have not ended, by their places.
    func unfinishedInOrder(_ queue: QueueName) -> [ModelJob] {
        let word = queue.word
        return jobs.all.filter { $0.queueWord == word && !$0.state.isFinal }.sorted { $0.order < $1.order }
    }

    /// Whether it is first in its group, if it belongs to one.
    private func isItsTurn(_ job: ModelJob) -> Bool { job.group.map { groups[$0]?.first == job.number } ?? true }

    /// The unfinished job that owns a claim.
    func owner(of claim: String, in queue: QueueName) -> ModelJob? {
        let word = queue.word
        return jobs.all.first { $0.queueWord == word && !$0.state.isFinal && $0.message.claim == claim }
    }

    func unfinished(_ queue: QueueName) -> (jobs: Int, bytes: Int) {
        let word = queue.word
        var count = 0, bytes = 0
        for job in jobs.all where job.queueWord == word && !job.state.isFinal {
            count += 1
            bytes += job.size
        }
        return (count, bytes)
    }

    /// Jobs that a newcomer waits behind.
    func ahead(_ queue: QueueName) -> Int {
        let word = queue.word
        return jobs.all.count { $0.queueWord == word && ($0.state == .queued || $0.state == .running) }
    }

    /// Jobs of a queue that wait for a time or for a holder.
    func waiting(_ queue: QueueName) -> Int {
        let word = queue.word
        return jobs.all.count { $0.queueWord == word && $0.isWaiting }
    }

    /// Jobs of a queue that have ended.
    func ended(_ queue: QueueName) -> [ModelJob] {
        let word = queue.word
        return jobs.all.filter { $0.queueWord == word && $0.state.isFinal }
    }

    /// Whether a newcomer would wait for longer than its queue allows; nil where that is the engine's to choose.
    func isSlow(_ name: QueueName, adding added: Int) -> Bool? {
        guard let most = queues[name]?.settings.maxWait, let pace = paces[name] else { return false }
        return pace.isSlow(ahead(name) + added, most.inMilliseconds)
    }

    /// Whether ready jobs wait, and somebody could work on them.
    private func isBusy(_ name: QueueName) -> Bool {
        guard queues[name]?.isPaused == false else { return false }
        let word = name.word
        var isAnyReady = false, isAnybodyThere = false
        for job in jobs.all where job.queueWord == word {
            if job.state == .queued { isAnyReady = true } else if job.state == .running { isAnybodyThere = true }
            if isAnyReady, isAnybodyThere { return true }
        }
        return isAnyReady && awaited.contains(name)
    }

    /// Whether the time of an ended job is over, so that it may be dropped at any moment.
    /// - Parameter slack: since how many milliseconds, so that it must have been dropped; nil when it is enough that it is over.
    func isLapsed(_ job: ModelJob, at now: Int64, slack: Int64? = nil) -> Bool {
        guard job.state.isFinal, let kept = retentions.first(where: { $0.queueWord == job.queueWord }) else { return false }
        guard let retention = kept.time(of: job.state) else { return true }
        let end = job.ended.addingClamped(retention)
        return slack.map { end.addingClamped($0).addingClamped(job.leeway) } ?? end <= now
    }

    func isLapsed(_ key: ModelQueue.Key, in queue: ModelQueue, at now: Int64, slack: Int64 = 0) -> Bool {
        key.at.addingClamped(queue.settings.dedupWindow.inMilliseconds).addingClamped(slack) <= now
    }

    // MARK: Changing

    mutating func learn(finished: Int64?, of number: Int) {
        guard let job = jobs[number]?.copy() else { return }
        job.finished = finished
        jobs[number] = job
    }

    /// The engine says what time it is.
    mutating func learn(engine: Int64) { self.engine = min(self.engine, engine) }

    /// Leases have their full time again when the store is opened.
    mutating func restartLease(of number: Int) {
        guard let job = jobs[number]?.copy(), var lease = job.lease else { return }
        lease.term = lease.recordedTerm
        lease.deadline = lease.term == 0 ? .max : lease.term
        lease.attemptDeadline = attemptDeadline(job, term: lease.term, at: 0)
        job.lease = lease
        jobs[number] = job
    }

    /// A lease is over, though its job could not be ended.
    mutating func endLease(of number: Int, at leaseNow: Int64) {
        guard let job = jobs[number]?.copy(), var lease = job.lease else { return }
        (lease.deadline, lease.attemptDeadline) = (leaseNow, .max)
        job.lease = lease
        jobs[number] = job
    }

    mutating func renew(_ number: Int, term: Int64?, at leaseNow: Int64) -> Int64 {
        guard let job = jobs[number]?.copy(), var lease = job.lease else { return 0 }
        if let term { lease.term = term }
        lease.deadline = lease.term == 0 ? .max : leaseNow + lease.term
        job.lease = lease
        jobs[number] = job
        return lease.term
    }

    /// A lease goes on though its job could not be settled, and the attempt takes as long as it does.
    mutating func keepLease(of number: Int, for least: Int64, at leaseNow: Int64) {
        guard let job = jobs[number]?.copy(), var lease = job.lease else { return }
        let end = leaseNow + max(lease.term, least)
        lease.deadline = max(lease.deadline, end)
        lease.attemptDeadline = max(lease.attemptDeadline, end)
        job.lease = lease
        jobs[number] = job
    }

    /// A request of a session came in; with nil of all of them, for nobody could ask while the store was closed.
    mutating func touch(_ session: String?, at now: Int64) {
        for id in session.map({ [$0] }) ?? Array(sessions.keys) {
            if let last = sessions[id]?.lastUsed { sessions[id]?.lastUsed = max(last, now) }
        }
    }

    mutating func forgetSessions() { sessions = [:] }

    /// Time that was observed goes by.
    mutating func pass(_ time: Int64) {
        for name in queues.keys where isBusy(name) { paces[name, default: ModelPace()].pass(time) }
    }

    /// Jobs of a queue end.
    private mutating func notePace(_ name: QueueName, _ count: Int = 1) {
        if isBusy(name) { paces[name, default: ModelPace()].end(count) }
    }

    mutating func forgetPaces() { paces = QueueMap() }

    private func attemptDeadline(_ job: ModelJob, term: Int64, at leaseNow: Int64) -> Int64 {
        guard let timeout = job.message.timeout?.inMilliseconds else { return .max }
        let grace = term == 0 ? queues[job.queue]?.settings.lease.inMilliseconds ?? 0 : term
        return leaseNow + timeout + grace
    }

    mutating func apply(_ unit: ModelUnit) {
        for event in unit.events { apply(event, unit) }
        self.unit = unit.number
        engine = max(engine, unit.engine)
        wall = unit.wall
    }

    private mutating func apply(_ event: ModelEvent, _ unit: ModelUnit) {
        switch event {
        case .opened: for job in allJobs where job.message.isTransient { jobs[job.number] = nil }
        case .noted: break
        case .queue(let name, let settings):
            retentions.removeAll { $0.queueWord == name.word }
            retentions.append(ModelRetention(queue: name, settings.retention))
            if queues[name] != nil {
                queues[name]?.settings = settings
                queues[name]?.settingsUnit = unit.number
                queues[name]?.unit = unit.number
                for job in ended(name) {
                    let copy = job.copy()
                    copy.leeway = max(copy.leeway, queues[name]?.leeway(of: job.state, in: name) ?? 0)
                    jobs[job.number] = copy
                }
            } else {
                queues[name] = ModelQueue(settings: settings, settingsUnit: unit.number, unit: unit.number)
            }
        case .paused(let name, let isPaused):
            queues[name]?.isPaused = isPaused
            queues[name]?.unit = unit.number
        case .purged(let name):
            notePace(name, waiting(name))
            for job in allJobs.filter({ $0.queueWord == name.word && $0.isWaiting }).sorted(by: { $0.birth < $1.birth }) {
                end(job.number, .cancelled, unit, byPurge: true)
                // a copy that nobody else has yet
                jobs[job.number]?.isPurged = true
            }
            queues[name]?.unit = unit.number
        case .queueDeleted(let name):
            for job in allJobs.filter({ $0.queueWord == name.word }).sorted(by: { $0.birth < $1.birth }) {
                if !job.state.isFinal { Self.owe(job, .cancelled, &unmet) }
                jobs[job.number] = nil
            }
            for group in groups.keys where group.queue == name { groups[group] = nil }
            retentions.removeAll { $0.queueWord == name.word }
            queues[name] = nil
            paces[name] = nil
        case .published(let message, let number, let due, let expires):
            publish(message, number, due, expires, unit)
        case .copied(let message, let number, let expires, let deaths, let origin):
            publish(message, number, nil, expires, unit)
            // a copy that nobody else has yet
            jobs[number]?.deaths = deaths
            if let origin, let job = jobs[origin]?.copy() {
                job.isDeadLettered = true
                jobs[origin] = job
            }
        case .leased(let number, let holder, let term, let endsWithProcess, let serial):
            change(number, unit) { model, job in
                job.state = .running
                job.attempt += 1
                job.deliveries += 1
                job.expires = nil
                job.started = unit.wall
                job.lease = ModelJob.Lease(
                    holder: holder,
                    term: term,
                    recordedTerm: term,
                    deadline: term == 0 ? .max : unit.leaseNow + term,
                    attemptDeadline: model.attemptDeadline(job, term: term, at: unit.leaseNow),
                    endsWithProcess: endsWithProcess,
                    serial: serial
                )
            }
        case .completed(let number, let result):
            change(number, unit) { $1.result = result }
            end(number, .succeeded, unit)
        case .failed(let number, let code, let next, let reason):
            change(number, unit) { model, job in
                job.failures = Array((job.failures + [ModelJob.Attempt(code: code, attempt: job.attempt)]).suffix(Limits.errorsKept))
                job.lease = nil
                job.reason = reason
                switch next {
                case .final: break
                case .place: job.state = .queued
                case .back:
                    job.state = .queued
                    job.order = model.takeOrder()
                case .retry(let time):
                    job.state = .retrying
                    job.due = .engine(time)
                }
            }
            if case .final = next { end(number, .failed, unit) }
        case .released(let number, let isCounted, let due, let toBack, let amended):
            change(number, unit) { model, job in
                job.lease = nil
                if !isCounted { job.attempt = max(0, job.attempt - 1) }
                job.headers = job.headers.filter { header in !amended.contains { $0.name == header.name } } + amended
                if toBack {
                    job.order = model.takeOrder()
                    model.goToBackOfGroup(job)
                }
                job.state = due == nil ? .queued : .scheduled
                job.due = due.map { .engine($0) }
            }
        case .cancelled(let number): end(number, .cancelled, unit)
        case .retried(let number):
            change(number, unit) { model, job in
                if job.state.isFinal {
                    job.maxAttempts += 1
                    job.expires = nil
                    job.isPurged = false
                    job.finished = nil
                    job.reason = nil
                    if let group = job.group { model.groups[group, default: []].append(number) }
                }
                job.state = .queued
                job.due = nil
                job.order = model.takeOrder()
            }
        case .forgotten(let number): jobs[number] = nil
        case .redriven(let number):
            if let job = jobs[number] { notePace(job.queue) }
            leaveGroup(number)
            jobs[number] = nil
        case .due(let number):
            change(number, unit) { model, job in
                if job.state == .retrying { job.order = model.takeOrder() }
                job.state = .queued
                job.due = nil
            }
        case .expired(let number):
            end(number, .expired, unit)
            // a copy that nobody else has yet
            jobs[number]?.reason = .expired
        case .progressed(let number, let progress): change(number, unit) { $1.progress = progress }
        case .put(let key, let value, let expires):
            counters[key] = nil
            records[key] = ModelRecord(value: value, expires: expires, unit: unit.number)
        case .deleted(let key):
            counters[key] = nil
            records[key] = nil
        case .added(let key, let step, let amount, let target, let expires, let then):
            count(step, amount, key, target, expires, then, unit)
        case .followed(let subject, let states):
            Self.settle(subject, states, &unmet)
            Self.settle(subject, states, &owed)
        case .dropped(let numbers): for number in numbers { jobs[number] = nil }
        case .keyDropped(let key, let name): queues[name]?.keys[key] = nil
        case .outcome(let session, let number, let acknowledged, let results):
            var known = sessions[session] ?? ModelSession(lastUsed: unit.engine)
            known.lastUsed = max(known.lastUsed, unit.engine)
            known.outcomes[number] = results
            known.floor = max(known.floor, acknowledged)
            known.outcomes = known.outcomes.filter { $0.key > known.floor }
            sessions[session] = known
        case .sessionsEnded(let ids): for id in ids { sessions[id] = nil }
        }
    }

    private mutating func publish(_ message: NewMessage, _ number: Int, _ due: ModelJob.Due?, _ expires: Int64?, _ unit: ModelUnit) {
        let attempts = message.maxAttempts ?? queues[message.queue]?.settings.maxAttempts ?? 0
        let job = ModelJob(number, message, maxAttempts: attempts, order: takeOrder(), created: unit.wall, unit: unit.number)
        job.expires = expires
        if let due {
            job.state = .scheduled
            job.due = due
        }
        if let key = message.deduplication {
            queues[message.queue]?.keys[key.key] = ModelQueue.Key(number: number, fingerprint: key.fingerprint, at: unit.engine)
        }
        jobs[number] = job
        if let group = job.group { groups[group, default: []].append(number) }
    }

    // MARK: What follows

    private mutating func count(
        _ step: String,
        _ amount: Int,
        _ key: RecordKey,
        _ target: Int,
        _ expires: Int64,
        _ then: [Operation],
        _ unit: ModelUnit
    ) {
        var counter =
            counters[key]
            ?? ModelCounter(key: key, created: unit.number, target: target, expires: expires, then: then, unit: unit.number)
        counter.count += amount
        counter.steps.insert(step)
        counter.expires = max(counter.expires, expires)
        counter.unit = unit.number
        if counter.isComplete {
            if !counter.then.isEmpty {
                owed.append(ModelOwed(subject: counter.subject, followUps: counter.then.map { FollowUp($0) }, states: []))
            }
            counter.steps = []
            counter.then = []
        }
        counters[key] = counter
    }

    private static func owe(_ job: ModelJob, _ state: JobState, _ owed: inout [ModelOwed]) {
        guard !job.message.onFinal.isEmpty else { return }
        add(ModelOwed(subject: .job(job.number), followUps: job.message.onFinal, states: FinalStates(state)), &owed)
    }

    private static func add(_ new: ModelOwed, _ owed: inout [ModelOwed]) {
        if let index = owed.firstIndex(where: { $0.subject == new.subject }) {
            owed[index].states.formUnion(new.states)
        } else {
            owed.append(new)
        }
    }

    private static func settle(_ subject: ModelOwed.Subject, _ states: FinalStates, _ owed: inout [ModelOwed]) {
        guard let index = owed.firstIndex(where: { $0.subject == subject }) else { return }
        owed[index].states.subtract(states)
        if owed[index].states.isEmpty { owed.remove(at: index) }
    }

    /// Jobs that a purge or a deletion ended are met: what follows their ends is owed from now on.
    mutating func meetEnded() {
        for item in unmet { Self.add(item, &owed) }
        unmet = []
    }

    // MARK: Groups

    private mutating func leaveGroup(_ number: Int) {
        guard let group = jobs[number]?.group else { return }
        groups[group]?.removeAll { $0 == number }
        if groups[group]?.isEmpty == true { groups[group] = nil }
    }

    private mutating func goToBackOfGroup(_ job: ModelJob) {
        guard let group = job.group, groups[group]?.first == job.number else { return }
        groups[group]?.removeFirst()
        groups[group, default: []].append(job.number)
    }

    private mutating func change(_ number: Int, _ unit: ModelUnit, _ body: (inout Model, ModelJob) -> Void) {
        guard let job = jobs[number]?.copy() else { return }
        body(&self, job)
        job.unit = unit.number
        jobs[number] = job
    }

    private mutating func end(_ number: Int, _ state: JobState, _ unit: ModelUnit, byPurge: Bool = false) {
        guard let job = jobs[number]?.copy() else { return }
        if byPurge {
            Self.owe(job, state, &unmet)
        } else {
            notePace(job.queue)
            Self.owe(job, state, &owed)
        }
        leaveGroup(number)
        guard queues[job.queue]?.keepsFinished == true else {
            jobs[number] = nil
            return
        }
        job.state = state
        job.lease = nil
        job.due = nil
        job.expires = nil
        job.finished = unit.wall
        job.ended = unit.engine
        job.leeway = queues[job.queue]?.leeway(of: state, in: job.queue) ?? 0
        job.unit = unit.number
        jobs[number] = job
    }

    private mutating func takeOrder() -> Int {
        nextOrder += 1
        return nextOrder
    }
}

extension Int64 {
    func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
