import GodwitCore
import GodwitEngine

/// What requests come to.
extension Reference {
    typealias Request = SteppedEngine.Request

    /// What a full disk keeps from happening in a turn.
    struct Shortage: Hashable {
        /// How much of what time brings about there was room for.
        var time: Int?
        /// Some leases' ends were all that there was room for: these jobs'. In which order leases end within a turn is not said.
        var leases: Set<Int>?
        /// Whether jobs that leave a large dead letter behind wait with their ends.
        var keepsLarge = false
        /// The request that there was no room for.
        var refused: UInt64?
        /// Whether that was for what a transaction brings along with its settles: their leases go on.
        var isPostponed = false

        static let none = Shortage()
    }

    /// One turn, as the engine takes it.
    mutating func turn(_ requests: [(ticket: UInt64, request: Request)], at instant: EngineInstant, _ shortage: Shortage = .none) {
        pass(to: instant)
        for (ticket, request) in requests {
            if case .renew(let renewals) = request { renew(ticket, renewals) }
        }
        passTime(budget: shortage.time, leases: shortage.leases, keepsLarge: shortage.keepsLarge)
        for (ticket, request) in requests {
            if ticket == shortage.refused { refuse(ticket, request, shortage.isPostponed) } else { carryOut(ticket, request) }
        }
        serveWaiting()
    }

    mutating func expect(_ ticket: UInt64, _ expected: Expected, unit: Int? = nil) {
        open[ticket] = Open(expected: expected, unit: unit ?? newestUnit, wallOffset: instant.wall - engine)
    }

    private mutating func refuse(_ ticket: UInt64, _ request: Request, _ isPostponed: Bool) {
        if case .commit(let transactions, _) = request {
            expect(ticket, .outcomes(transactions.map { isPostponed ? postpone($0) : .aborted(operation: 0, [.diskFull]) }))
        } else {
            expect(ticket, .refused(.diskFull), unit: 0)
        }
    }

    private mutating func carryOut(_ ticket: UInt64, _ request: Request) {
        switch request {
        case .commit(let transactions, let session):
            if let session { return expect(ticket, .outcomes(commit(transactions, session))) }
            var outcomes: [ExpectedOutcome] = [], restsOn = 0
            for transaction in transactions {
                outcomes.append(commit(transaction))
                restsOn = max(restsOn, outcomeRest)
            }
            expect(ticket, .outcomes(outcomes), unit: restsOn)
        case .publish(let batch): publish(ticket, batch)
        case .leaseBatch(let holder, let most):
            leaseBatch(ticket, LeaseRequest(holder: holder, most: most, term: .holderLife))
        case .complete: complete(ticket)
        case .backup:
            backups[ticket] = live
            expect(ticket, .backup)
        case .lease(let holder, let most, let term, let wait):
            lease(ticket, LeaseRequest(holder: holder, most: most, term: term), wait: wait.inMilliseconds)
        case .renew: break
        case .closeHolder(let id): closeHolder(ticket, id)
        case .endSession(let id):
            if live.sessions[id] != nil { record([.sessionsEnded([id])]) }
            expect(ticket, .done)
        case .read(let ids): read(ticket, ids)
        case .payload(let id): content(ticket, id) { .payload($0.number, $0.message.payload) }
        case .result(let id): content(ticket, id) { .result($0.number, $0.state == .succeeded ? $0.result : nil) }
        case .list: expect(ticket, .jobs(jobs))
        case .records(let keys):
            let records = keys.map { ExpectedRecord(key: $0, record: live.records[$0], counter: live.counters[$0]) }
            expect(ticket, .records(records), unit: records.map { $0.unit ?? newestUnit }.max() ?? 0)
        case .watch: preconditionFailure("watching is not simulated")
        case .queues: expect(ticket, .queues(queues))
        case .configure(let name, let settings, let expectation): configure(ticket, name, settings, expectation)
        case .pause(let name, let isPaused):
            guard let queue = live.queues[name] else { return expect(ticket, .refused(.queueNotFound)) }
            if queue.isPaused != isPaused { record([.paused(name, isPaused)]) }
            expect(ticket, .done)
        case .purge(let name):
            guard live.queues[name] != nil else { return expect(ticket, .refused(.queueNotFound)) }
            let count = live.waiting(name)
            if count > 0 { record([.purged(name)]) }
            expect(ticket, .count(count))
        case .delete(let name, let purging):
            guard live.queues[name] != nil else { return expect(ticket, .refused(.queueNotFound)) }
            guard purging || live.unfinished(name).jobs == 0 else { return expect(ticket, .refused(.queueNotEmpty)) }
            record([.queueDeleted(name)])
            expect(ticket, .done)
        case .check: expect(ticket, .done)
        case .abandon(let other): abandon(other)
        }
    }

    // MARK: Leases

    private mutating func lease(_ ticket: UInt64, _ request: LeaseRequest, wait: Int64) {
        // Who waits already comes first.
        serveWaiting()
        for name in request.holder.queues where live.queues[name] == nil { record([.queue(name, QueueSettings())]) }
        if let deliveries = deliver(request) { return expect(ticket, .deliveries(deliveries.jobs), unit: deliveries.restsOn) }
        guard wait > 0 else { return expect(ticket, .deliveries([]), unit: 0) }
        waits.append(Wait(ticket: ticket, request: request, deadline: engine.addingClamped(wait)))
    }

    mutating func serveWaiting() {
        var rest: [Wait] = []
        for wait in waits {
            if let deliveries = deliver(wait.request) {
                expect(wait.ticket, .deliveries(deliveries.jobs), unit: deliveries.restsOn)
            } else {
                rest.append(wait)
            }
        }
        waits = rest
    }

    /// Leases what there is, if there is anything; and the unit that its delivery rests on.
    mutating func deliver(_ request: LeaseRequest) -> (jobs: [ExpectedDelivery], restsOn: Int)? {
        let picks = pick(request)
        guard !picks.isEmpty else { return nil }
        var deliveries: [ExpectedDelivery] = [], restsOn = 0
        var rest = picks[...]
        while let first = rest.first {
            let term = milliseconds(request.term, first.queue)
            let same = rest.prefix { milliseconds(request.term, $0.queue) == term }
            rest = rest.dropFirst(same.count)
            let endsWithProcess = request.holder.isEmbedded || term == 0
            let serials = same.map { _ in takeSerial() }
            record(
                zip(same, serials).map {
                    .leased($0.number, request.holder.id, term: term, endsWithProcess: endsWithProcess, serial: $1)
                }
            )
            for (job, serial) in zip(same, serials) {
                // A first delivery rests on what came before it, another one on itself, too.
                // What becomes of transient ones is said at once.
                if !job.message.isTransient { restsOn = max(restsOn, job.deliveries == 0 ? job.unit : newestUnit) }
                guard let leased = live.job(job.number) else { continue }
                deliveries.append(
                    ExpectedDelivery(job: leased, serial: serial, remaining: term == 0 ? Limits.longestLease : .milliseconds(term))
                )
            }
        }
        return (deliveries, restsOn)
    }

    private func milliseconds(_ term: LeaseTerm, _ queue: QueueName) -> Int64 {
        switch term {
        case .queue: live.queues[queue]?.settings.lease.inMilliseconds ?? 0
        case .fixed(let duration): duration.inMilliseconds
        case .holderLife: 0
        }
    }

    private mutating func pick(_ request: LeaseRequest) -> [ModelJob] {
        let names = request.holder.queues
        var lines = names.map { name in
            live.queues[name].map { !$0.isPaused } == true ? live.ready(name, most: request.most)[...] : []
        }
        var picks: [ModelJob] = []
        switch request.holder.order {
        case .strict: picks = Array(lines.joined().prefix(request.most))
        case .weighted(let weights):
            // The one furthest behind is next, the first of those that are even; nobody gets time back in which it had nothing.
            var turns = turns(request.holder.id, names.count)
            while picks.count < request.most {
                let able = lines.indices.filter { !lines[$0].isEmpty }
                guard let next = able.min(by: { max(turns.passes[$0], turns.reached) < max(turns.passes[$1], turns.reached) }) else {
                    break
                }
                turns.reached = max(turns.passes[next], turns.reached)
                turns.passes[next] = turns.reached + (1 << 20) / weights[next]
                picks.append(lines[next].removeFirst())
            }
            if !picks.isEmpty { setTurns(turns, of: request.holder.id) }
        }
        return picks
    }

    private mutating func renew(_ ticket: UInt64, _ renewals: [Renewal]) {
        var outcomes: [ExpectedRenewal] = [], isAnyGood = false, restsOn = 0
        for renewal in renewals {
            guard let (number, serial) = knowledge.leases[renewal.token] else {
                preconditionFailure("clients know only tokens they were given")
            }
            guard let job = live.job(number), job.lease?.serial == serial else {
                let (isCancelled, mustSay) = cancellation(serial)
                outcomes.append(.over(isCancelled: isCancelled, mustSay: mustSay))
                restsOn = max(restsOn, live.job(number).flatMap { $0.message.isTransient ? nil : $0.unit } ?? 0)
                continue
            }
            isAnyGood = true
            if renewal.term != nil, let lease = job.lease, lease.recordedTerm > 0 { changedTerms[serial] = lease.recordedTerm }
            let term = live.renew(number, term: renewal.term?.inMilliseconds, at: leaseNow)
            outcomes.append(.good(term == 0 ? Limits.longestLease : .milliseconds(term)))
            if let progress = renewal.progress { record([.progressed(number, progress)]) }
        }
        expect(ticket, .renewals(outcomes), unit: isAnyGood ? 0 : restsOn)
    }

    private mutating func closeHolder(_ ticket: UInt64, _ id: HolderID) {
        setTurns(nil, of: id)
        for wait in waits where wait.request.holder.id == id { expect(wait.ticket, .deliveries([]), unit: 0) }
        waits.removeAll { $0.request.holder.id == id }
        let held = live.allJobs.filter { $0.lease?.holder == id }.sorted { ($0.lease?.serial ?? 0) < ($1.lease?.serial ?? 0) }
        for job in held {
            openDeadLetterQueue(of: job.queue)
            record(released(job, isCounted: false).events)
        }
        expect(ticket, .done)
    }

    /// A caller of an earlier turn is gone: what was leased for it and has not left goes back.
    private mutating func abandon(_ ticket: UInt64) {
        if waits.contains(where: { $0.ticket == ticket }) {
            waits.removeAll { $0.ticket == ticket }
            return expect(ticket, .deliveries([]), unit: 0)
        }
        guard let item = open[ticket], case .deliveries(let deliveries) = item.expected else { return }
        expect(ticket, .deliveries([]), unit: 0)
        for delivery in deliveries where live.job(delivery.job.number)?.lease?.serial == delivery.serial {
            record([.released(delivery.job.number, isCounted: false, due: nil, place: .untouched)])
        }
    }

    // MARK: Queues

    private mutating func configure(_ ticket: UInt64, _ name: QueueName, _ settings: QueueSettings, _ expectation: Expectation) {
        let isMet =
            switch expectation {
            case .anything: true
            case .absent: live.queues[name] == nil
            case .version: false
            }
        guard isMet else { return expect(ticket, .refused(.versionConflict)) }
        record([.queue(name, settings)])
        noteSettings()
        expect(ticket, .settings(name, settings))
    }

    // MARK: Reading

    private mutating func read(_ ticket: UInt64, _ ids: [JobID]) {
        var lookups: [ExpectedLookup] = [], restsOn = 0
        for id in ids {
            guard let number = knowledge.numbers[id] else { preconditionFailure("clients know only ids they were given") }
            if let job = live.job(number) {
                lookups.append(isUnsure(job) ? .either(job) : .found(job))
                if !job.message.isTransient { restsOn = max(restsOn, job.unit) }
            } else {
                lookups.append(.forgotten(number))
                restsOn = newestUnit
            }
        }
        expect(ticket, .lookups(lookups), unit: restsOn)
    }

    private mutating func content(_ ticket: UInt64, _ id: JobID, _ body: (ModelJob) -> Expected) {
        guard let number = knowledge.numbers[id], let job = live.job(number) else { return expect(ticket, .refused(.jobForgotten)) }
        expect(ticket, body(job), unit: job.message.isTransient ? 0 : job.unit)
    }

    /// All jobs, newest first.
    var jobs: ExpectedJobs {
        let all = live.allJobs.sorted { $0.birth > $1.birth }
        var lapsed: Set<Int> = []
        for job in all where isUnsure(job) { lapsed.insert(job.number) }
        return ExpectedJobs(jobs: all, lapsed: lapsed)
    }

    var queues: QueueMap<ExpectedQueue> {
        var queues = QueueMap<ExpectedQueue>()
        for (name, queue) in live.queues {
            var expected = ExpectedQueue(settings: queue.settings, isPaused: queue.isPaused)
            for (key, entry) in queue.keys.sorted(by: { ($0.value.at, $0.value.number) < ($1.value.at, $1.value.number) }) {
                if isUnsure(entry, in: queue) { expected.lapsedKeys.append((key, entry.number)) } else { expected.keys += 1 }
            }
            // Few queues: going through the jobs for each is quicker than finding each job's queue.
            let word = name.word
            for job in live.allJobs where job.queueWord == word {
                if isUnsure(job) {
                    expected.lapsed[job.state] += 1
                } else {
                    expected.counts[job.state] += 1
                }
                if !job.state.isFinal { expected.bytes += job.size }
            }
            queues[name] = expected
        }
        return queues
    }
}
