public import GodwitCore

extension JobClient {
    /// Changes a queue's settings, and creates the queue when it is not there. Give each queue that the public can fill a bound:
    ///
    /// ```swift
    /// try await jobs.configure(queue: "thumbnails") { $0.maxJobs = 10_000 }
    /// ```
    ///
    /// With the retention `.none` nothing is left of a job that ended: ``JobHandle/result()`` then always throws `jobForgotten`.
    ///
    /// - Parameters:
    ///   - queue: The queue's name, as in ``Job/queue``.
    ///   - change: Gets the settings as they are. It is called again when somebody else changed them meanwhile.
    /// - Returns: The queue as it is now.
    /// - Throws: ``BrokerError``: `invalidArgument` names the setting that is out of its range; `CancellationError`.
    @discardableResult
    public func configure(queue: String, _ change: (inout QueueSettings) -> Void) async throws -> QueueStatus {
        let name = try QueueName(queue)
        while true {
            try Task.checkCancellation()
            let status = try await asking { () async throws(BrokerError) in try await broker.queue(name) }
            var settings = status?.settings ?? QueueSettings()
            change(&settings)
            if let status, status.settings == settings { return status }
            let expected: Expectation = if let status { .version(status.settingsVersion) } else { .absent }
            do {
                return try await asking { [settings] () async throws(BrokerError) in
                    try await broker.configure(name, settings, expecting: expected)
                }
            } catch let error as BrokerError where error.code == .versionConflict {
                continue
            }
        }
    }

    /// How a queue is: its settings, and how many jobs it has in each state. Nil when there is no such queue.
    /// - Throws: ``BrokerError``; `CancellationError`.
    public func queue(_ name: String) async throws -> QueueStatus? {
        try Task.checkCancellation()
        return try await asking { () async throws(BrokerError) in try await broker.queue(QueueName(name)) }
    }

    /// All queues, by name.
    /// - Throws: ``BrokerError``; `CancellationError`.
    public func queues() async throws -> [QueueStatus] {
        try Task.checkCancellation()
        return try await asking { () async throws(BrokerError) in try await broker.queues() }
    }

    /// Stops a queue's deliveries; enqueueing goes on.
    /// - Throws: ``BrokerError``: `queueNotFound`; `CancellationError`.
    public func pause(queue: String) async throws {
        try Task.checkCancellation()
        try await asking { () async throws(BrokerError) in try await broker.pause(QueueName(queue)) }
    }

    /// Lets a paused queue deliver again.
    /// - Throws: ``BrokerError``: `queueNotFound`; `CancellationError`.
    public func resume(queue: String) async throws {
        try Task.checkCancellation()
        try await asking { () async throws(BrokerError) in try await broker.resume(QueueName(queue)) }
    }

    /// Cancels all jobs of a queue that wait; those that run go on.
    /// - Returns: How many they were.
    /// - Throws: ``BrokerError``: `queueNotFound`; `CancellationError`.
    @discardableResult
    public func purge(queue: String) async throws -> Int {
        try Task.checkCancellation()
        return try await asking { () async throws(BrokerError) in try await broker.purge(QueueName(queue)) }
    }

    /// Gives a queue's dead letters another chance, oldest first: those that failed or expired in it are queued again, and those that came to it
    /// from other queues (``QueueSettings/deadLetterQueue``), and wait, go back there as new jobs. What comes to the queue meanwhile is left
    /// alone.
    /// - Parameters:
    ///   - queue: Where the dead letters are.
    ///   - name: Only jobs of this ``Job/name``.
    ///   - reason: Only those that died of this the last time.
    /// - Returns: How many got one, and how many stay where they are, because the queue that they came from is gone, say.
    /// - Throws: ``BrokerError``: `queueNotFound`, `diskFull`; `CancellationError`: those before were redriven then.
    @discardableResult
    public func redrive(queue: String, name: String? = nil, reason: DeathReason? = nil) async throws -> (redriven: Int, refused: Int) {
        var query = RedriveQuery(queue: try QueueName(queue), name: name, reason: reason), redriven = 0, refused = 0
        repeat {
            try Task.checkCancellation()
            let page = try await asking { [query] () async throws(BrokerError) in
                let page = try await broker.redrive(query)
                if let failure = page.failure { throw failure }
                return page
            }
            redriven += page.redriven
            refused += page.refused
            query.cursor = page.next
        } while query.cursor != nil
        return (redriven, refused)
    }

    /// Removes a queue with its settings and its finished jobs.
    /// - Parameter purging: Whether its waiting and running jobs go with it, as ``purge(queue:)`` ends them.
    /// - Throws: ``BrokerError``: `queueNotFound`, `queueNotEmpty` when it has unfinished jobs and `purging` is false; `CancellationError`.
    public func delete(queue: String, purging: Bool = false) async throws {
        try Task.checkCancellation()
        try await asking { () async throws(BrokerError) in try await broker.delete(QueueName(queue), purging: purging) }
    }
}
