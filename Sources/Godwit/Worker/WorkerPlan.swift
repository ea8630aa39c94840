import GodwitCore
import Logging

/// A worker's set-up, checked: what is wrong with it shows at start, not at the first job.
struct WorkerPlan: Sendable {
    let client: JobClient
    let concurrency: Int
    let queues: [QueueName]
    let lease: Duration
    let shutdownGrace: Duration
    let patience: Duration
    let shortRequest: Duration
    let isQuiet: Guarded<Bool>
    let handlers: [String: Handler]
    let schedules: [CheckedSchedule]
    let onError: Worker.ErrorObserver?
    let logger: Logger

    /// - Throws: ``WorkerError``; ``BrokerError`` (`invalidArgument`) for a queue's name.
    init(_ worker: Worker) throws {
        func check(_ field: String, _ good: Bool, _ range: String) throws(WorkerError) {
            guard good else { throw WorkerError(.invalidSetting, "a worker's \(field) must be \(range)") }
        }
        try check("concurrency", (1...10_000).contains(worker.concurrency), "1 to 10,000")
        try check("lease", (Limits.shortestLease...Limits.longestLease).contains(worker.lease), "100ms to 12h")
        try check("shutdownGrace", (.zero...Limits.longestDuration).contains(worker.shutdownGrace), "0s to 3650d")
        var handlers: [String: Handler] = [:]
        for handler in worker.handlers {
            guard !handler.name.isEmpty, handler.name.utf8.count <= Limits.jobName else {
                throw WorkerError(.invalidSetting, "the job name \"\(handler.name)\" must have 1 to \(Limits.jobName) bytes")
            }
            try check("timeout for \(handler.name)", handler.timeout.map { $0 > .zero } ?? true, "more than 0s")
            if let problem = handler.retry.problem {
                throw WorkerError(.invalidSetting, "the retry policy for \(handler.name) cannot be followed: \(problem)")
            }
            guard handlers.updateValue(handler, forKey: handler.name) == nil else {
                throw WorkerError(
                    .duplicateHandler,
                    "two handlers are registered for jobs of the name \"\(handler.name)\": give each job type a name of its own"
                )
            }
        }
        guard !handlers.isEmpty || !worker.schedules.isEmpty else {
            throw WorkerError(
                .nothingToDo,
                "the worker has neither a handler nor a schedule: register one with handle or schedule before it runs"
            )
        }
        if handlers.isEmpty, let queues = worker.queues, !queues.isEmpty {
            throw WorkerError(.nothingToDo, "the worker takes jobs from queues, but has no handler for any: register one with handle")
        }
        var queues: [QueueName] = []
        for name in worker.queues ?? worker.handlers.map(\.queue) {
            let name = try QueueName(name)
            if !queues.contains(name) { queues.append(name) }
        }
        try check(
            "queues",
            (handlers.isEmpty || !queues.isEmpty) && queues.count <= Limits.queuesPerHolder,
            "1 to \(Limits.queuesPerHolder)"
        )
        schedules = try CheckedSchedule.all(worker.schedules)
        client = worker.client
        concurrency = worker.concurrency
        self.queues = queues
        lease = worker.lease
        shutdownGrace = worker.shutdownGrace
        patience = worker.patience
        shortRequest = worker.shortRequest
        isQuiet = worker.isQuiet
        self.handlers = handlers
        onError = worker.onError
        logger = worker.logger
    }
}

extension WorkerPlan {
    var runner: AttemptRunner {
        AttemptRunner(handlers: handlers, onError: onError, metrics: WorkerMetrics(handlers.values), random: client.random)
    }

    /// Jobs that wait where nobody takes them are noticed late.
    func warnOfQueuesLeftOut() {
        for handler in handlers.values where !queues.contains(where: { $0.description == handler.queue }) {
            logger.warning(
                "the worker takes no jobs from a handler's queue: add it to its queues, or see that another worker does",
                metadata: ["name": "\(handler.name)", "queue": "\(handler.queue)"]
            )
        }
    }

    /// A holder of its own for each run: a random incarnation, never a host's name.
    func openHolder() async throws(BrokerError) -> any Holder {
        let id = String(client.random(), radix: 36) + String(client.random(), radix: 36)
        return try await client.broker.open(
            HolderOptions(id: HolderID("worker-\(id)"), queues: queues, capacity: concurrency, isEmbedded: client.isEmbedded)
        )
    }
}
