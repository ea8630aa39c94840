import GodwitCore
import GodwitEngine

/// Ends of attempts, and what the death of a job brings with it.
extension Reference {
    mutating func openQueue(_ name: QueueName) {
        if live.queues[name] == nil { record([.queue(name, QueueSettings())]) }
    }

    /// A queue's dead letter queue is there before anything may go to it.
    mutating func openDeadLetterQueue(of queue: QueueName, or target: QueueName? = nil) {
        if case .queues = hindrance { return }
        if let name = target ?? deadLetterQueue(of: queue) { openQueue(name) }
    }

    /// Queues that an operation may bring something to are made first.
    mutating func openQueues(for operation: Operation, after ahead: inout [RecordKey: CounterAhead]) {
        switch operation {
        case .add(let addition): openQueues(for: addition, after: &ahead)
        case .delete(let key, _): ahead[key] = .begins
        case .enqueue(let message):
            if live.queues[message.queue]?.settings.overflow == .dropOldest { openDeadLetterQueue(of: message.queue) }
            openQueue(message.queue)
        case .fail(let token, _, _), .release(let token, _, _, _, _):
            if let job = leased(token) { openDeadLetterQueue(of: job.queue) }
        case .deadLetter(let token, _, let target):
            if let job = leased(token) { openDeadLetterQueue(of: job.queue, or: target) }
        case .redrive(let id):
            guard let job = knowledge.numbers[id].flatMap({ live.job($0) }), job.isWaiting else { return }
            if let origin = job.deaths.first?.queue { openQueue(origin) }
        default: return
        }
    }

    /// The job of a lease that is good.
    func leased(_ token: LeaseToken) -> ModelJob? {
        guard let (number, serial) = knowledge.leases[token], let job = live.job(number), job.lease?.serial == serial else { return nil }
        return job
    }

    private func deadLetterQueue(of queue: QueueName) -> QueueName? {
        live.queues[queue]?.settings.deadLetterQueue.flatMap { try? QueueName($0) }
    }

    // MARK: Ends

    /// What is recorded of a job's end, its dead letter first.
    mutating func die(_ job: ModelJob, _ code: String?, _ reason: DeathReason, to target: QueueName? = nil) -> [ModelEvent] {
        let end = ModelEvent.failed(job.number, code: code, .final, reason)
        return deadLetter(of: job, reason, to: target).map { [$0, end] } ?? [end]
    }

    /// The end of a lease that is over, or whose attempt took too long.
    mutating func expiry(of job: ModelJob) -> [ModelEvent] {
        guard let lease = job.lease, lease.attemptDeadline < lease.deadline else { return expiry(ofAttempt: job) }
        openDeadLetterQueue(of: job.queue)
        guard let reason = job.exhaustion(live.queues[job.queue]?.settings) else {
            preconditionFailure("the backoff of a job that took too long is the engine's to draw")
        }
        return die(job, FailureCode.timeout, reason)
    }

    /// The end of a lease that nobody renewed.
    mutating func expiry(ofAttempt job: ModelJob) -> [ModelEvent] {
        openDeadLetterQueue(of: job.queue)
        guard let reason = job.exhaustion(live.queues[job.queue]?.settings) else {
            return [.failed(job.number, code: FailureCode.leaseExpired, .place)]
        }
        return die(job, FailureCode.leaseExpired, reason)
    }

    /// A job that its holder gives back.
    mutating func released(
        _ job: ModelJob,
        isCounted: Bool,
        due: Int64? = nil,
        place: ReleasePlace = .original,
        amended: [Header] = []
    ) -> (events: [ModelEvent], state: JobState) {
        let reason: DeathReason
        if place == .untouched {
            return ([.released(job.number, isCounted: false, due: nil, place: place, amended: amended)], .queued)
        } else if isCounted, job.attempt >= job.maxAttempts {
            reason = .maxAttempts
        } else if job.isDeliveredOut(live.queues[job.queue]?.settings) {
            reason = .maxDeliveries
        } else {
            let release = ModelEvent.released(job.number, isCounted: isCounted, due: due, place: place, amended: amended)
            return ([release], due == nil ? .queued : .scheduled)
        }
        return (die(job, FailureCode.released, reason), .failed)
    }

    // MARK: Dead letters

    /// Whether a job whose lease is over leaves a dead letter.
    func leavesLetter(_ job: ModelJob) -> Bool {
        job.exhaustion(live.queues[job.queue]?.settings).map { letterQueue(of: job, $0) != nil } ?? false
    }

    /// Where a job's dead letter goes; nil when it dies in its place.
    private func letterQueue(of job: ModelJob, _ reason: DeathReason, _ target: QueueName? = nil) -> QueueName? {
        guard let name = target ?? deadLetterQueue(of: job.queue), name != job.queue, live.queues[name] != nil, !isCycle(job, reason, name)
        else { return nil }
        return name
    }

    mutating func deadLetter(of job: ModelJob, _ reason: DeathReason, to target: QueueName? = nil) -> ModelEvent? {
        guard let name = letterQueue(of: job, reason, target) else { return nil }
        var death = ModelDeath(
            queue: job.queue,
            reason: reason,
            first: instant.wall,
            last: instant.wall,
            number: job.number,
            attempt: job.attempt,
            deliveries: job.deliveries
        )
        var rest = job.deaths
        if let index = rest.firstIndex(where: { $0.queue == death.queue && $0.reason == death.reason }) {
            let earlier = rest.remove(at: index)
            death.count += earlier.count
            death.first = earlier.first
        }
        return copy(of: job, to: name, deaths: Array(([death] + rest).prefix(Limits.deaths)), origin: job.number)
    }

    /// What is neither a worker's nor an operator's doing must not go round for ever.
    private func isCycle(_ job: ModelJob, _ reason: DeathReason, _ target: QueueName) -> Bool {
        let automatic: Set<DeathReason> = [.expired, .dropped]
        return automatic.contains(reason) && job.deaths.contains { $0.queue == target && automatic.contains($0.reason) }
    }

    mutating func copy(of job: ModelJob, to name: QueueName, deaths: [ModelDeath], origin: Int?) -> ModelEvent {
        let message = NewMessage(
            queue: name,
            payload: job.message.payload,
            name: job.message.name,
            headers: job.headers,
            priority: job.message.priority,
            timeout: job.message.timeout,
            group: job.message.group,
            isTransient: job.message.isTransient
        )
        let expires = (live.queues[name]?.settings.ttl).map { engine.addingClamped($0.inMilliseconds) }
        return .copied(message, number: takeNumber(), expires: expires, deaths: deaths, origin: origin)
    }
}
