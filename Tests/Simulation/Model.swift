import GodwitCore

/// A queue engine as one would write it without any care for speed, durability or memory: what the real one is compared with.
///
/// It is a plain value, changed by ``apply(_:)`` alone, so that what a crash may have left is told by applying fewer units.
struct Model {
    private(set) var jobs = JobTable()
    private(set) var queues = QueueMap<ModelQueue>()
    private(set) var records: [RecordKey: ModelRecord] = [:]
    private(set) var counters: [RecordKey: ModelCounter] = [:]
    /// What is to follow ends, in their order.
    private(set) var owed: [ModelOwed] = []
    /// The same for ends by purges and deletions of queues, whose jobs are met one by one in the next turn.
    private var unmet: [ModelOwed] = []
    /// The members of each ordered group in their order.
    private(set) var groups: [ModelGroup: [Int]] = [:]
    private(set) var sessions: [String: ModelSession] = [:]
    /// Of this life of the store.
    private(set) var paces = QueueMap<ModelPace>()
    /// Queues that somebody waits for.
    var awaited: Set<QueueName> = []
    /// How long queues keep ended jobs, which is asked for each of them all the time.
    private(set) var retentions: [ModelRetention] = []
    private var nextOrder = 0

    /// The newest unit, and its time.
    private(set) var unit = 0
    private(set) var engine: Int64 = 0
    private(set) var wall: Int64 = 0

    // MARK: Changing

    /// A job that is changed by what is no event: a copy that nobody else has.
    mutating func put(_ job: ModelJob) { jobs[job.number] = job }

    mutating func learn(finished: Int64?, of number: Int) {
        guard let job = jobs[number]?.copy() else { return }
        job.finished = finished
        jobs[number] = job
    }

    /// The engine says what time it is.
    mutating func learn(engine: Int64) { self.engine = min(self.engine, engine) }

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
                if !job.state.isFinal { unmet.owe(job, .cancelled) }
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
                job.expires = nil
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
        case .released(let number, let isCounted, let due, let place, let amended):
            change(number, unit) { model, job in
                job.lease = nil
                if place == .untouched {
                    job.deliveries -= 1
                    if job.deliveries == 0 { job.started = nil }
                } else {
                    job.expires = nil
                }
                if !isCounted { job.attempt = max(0, job.attempt - 1) }
                job.headers = job.headers.filter { header in !amended.contains { $0.name == header.name } } + amended
                if place == .back {
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
            unmet.settle(subject, states)
            owed.settle(subject, states)
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

    /// Jobs that a purge or a deletion ended are met: what follows their ends is owed from now on.
    mutating func meetEnded() {
        for item in unmet { owed.add(item) }
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
            unmet.owe(job, state)
        } else {
            notePace(job.queue)
            owed.owe(job, state)
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
