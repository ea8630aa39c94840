package import GodwitCore
import GodwitWire
package import Logging
import Synchronization

/// The engine of a server elsewhere, reached by HTTP (`docs/batch-format.md` says in which form).
///
/// - Commits go one request at a time, in the order in which they are asked for; those that are asked for meanwhile travel together. They are
///   numbered in a session: when an answer is lost they are sent again, and carried out once (``CommitLane``). What only settles leases has a
///   lane of its own.
/// - Reads and acts of administration travel together likewise, a few requests at a time (``CallLane``).
/// - All watches share one event stream (``WatchTable``).
/// - Each wait for jobs has a connection of its own, and so have heartbeats (``RemoteHolder``).
///
/// Whatever is asked ends in time: a server that cannot be reached, or never answers, is `unavailable` or, where a change may have been made,
/// `outcomeUnknown`.
package final class RemoteBroker: Broker {
    private let exchanger: Exchanger
    private let commits: CommitSender
    /// The way of what settles leases and nothing else: a worker's completions and a client's publishes do not wait for each other's answers.
    private let settles: CommitSender
    private let calls: CallSender
    private let watches: WatchSender
    private let isClosed = Atomic(false)

    /// Asks nothing of the server: it may be started later.
    /// - Throws: ``BrokerError`` (`invalidArgument`) that names what is wrong with the configuration.
    package init(_ configuration: RemoteConfiguration, logger: Logger) throws(BrokerError) {
        try configuration.validate()
        if configuration.token != nil, !configuration.url.isEncrypted, !configuration.url.isLoopback {
            logger.warning(
                "the token travels unencrypted: everybody on the way can read it. Use https",
                metadata: ["url": "\(configuration.url)"]
            )
        }
        exchanger = try Exchanger(configuration)
        commits = CommitSender(exchanger)
        settles = CommitSender(exchanger)
        calls = CallSender(exchanger)
        watches = WatchSender(exchanger)
    }

    /// What the engine of a server gives; it is for many processes.
    package var capabilities: Capabilities {
        Capabilities(
            durability: .disk,
            failoverLoses: .none,
            atomicAcrossQueues: true,
            readsUnsynced: false,
            monotonicFencing: true,
            priorityLevels: 256,
            order: .strict,
            delayResolution: .milliseconds(1),
            exactBounds: true,
            sharedByProcesses: true
        )
    }

    // MARK: Commits

    nonisolated(nonsending) package func commit(
        _ transactions: [Transaction],
        in session: SessionCommit?
    ) async throws(BrokerError) -> [TransactionOutcome] {
        if transactions.isEmpty { return [] }
        if let session { return try await commit(transactions, numberedIn: session) }
        let parts = transactions.requests()
        let lane = transactions.allSatisfy { $0.operations.contains(where: \.settlesLease) } ? settles : commits
        if parts.count == 1 { return try await lane.commit(transactions) }
        var outcomes: [TransactionOutcome] = []
        outcomes.reserveCapacity(transactions.count)
        for part in parts {
            do throws(BrokerError) {
                outcomes += try await lane.commit(Array(part))
            } catch {
                // Those before are done: what is thrown would be said of all.
                guard !outcomes.isEmpty else { throw error }
                outcomes += part.map { _ in .aborted(operation: 0, error) }
                let rest = BrokerError(.unavailable, "it was not sent, for what came before it failed (\(error.message))", cause: error)
                outcomes += transactions.dropFirst(outcomes.count).map { _ in .aborted(operation: 0, rest) }
                break
            }
        }
        return outcomes
    }

    nonisolated(nonsending) package func commit(_ operation: Operation) async throws(BrokerError) -> OperationResult {
        try await (operation.settlesLease ? settles : commits).commit(operation)
    }

    /// In a session of the caller's, who repeats what is in doubt.
    nonisolated(nonsending) private func commit(
        _ transactions: [Transaction],
        numberedIn session: SessionCommit
    ) async throws(BrokerError) -> [TransactionOutcome] {
        try session.validate()
        let body = Wire.encode(CommitRequest(transactions, in: session))
        let answer = try await ask(.post, "/v1/commit", body: body, .once)
        let outcomes = try read(answer, .once) { bytes throws(WireError) in try Wire.decodeOutcomes(bytes) }
        guard outcomes.count == transactions.count else {
            throw BrokerError(.outcomeUnknown, "the server gave \(outcomes.count) outcomes for \(transactions.count) transactions")
        }
        return outcomes.map(\.here)
    }

    /// Gives jobs back that came too late for whoever asked for them; nobody waits for that.
    func giveBack(_ deliveries: [Delivery]) {
        let transactions = deliveries.map { Transaction(.release($0.token, delay: nil, counted: false, to: .untouched)) }
        for part in transactions.requests() { settles.submit(Array(part)) }
    }

    // MARK: Holders

    /// The server's.
    var url: ServerURL { exchanger.configuration.url }

    package func open(_ options: HolderOptions) async throws(BrokerError) -> any Holder {
        if isClosed.load(ordering: .relaxed) { throw .closedClient }
        return RemoteHolder(broker: self, exchanger: exchanger, options: options)
    }

    // MARK: Reads

    nonisolated(nonsending) func call(_ call: Call) async throws(BrokerError) -> CallAnswer { try await calls.call(call) }

    package func watch(_ items: [WatchItem], wait: Duration) async throws(BrokerError) -> [WatchAnswer] {
        if items.isEmpty { return [] }
        if wait > .zero, items.count == 1 { return [try await watches.watch(items[0], wait: wait)] }
        if wait > .zero { try await watchAny(of: items, wait: wait) }
        return try await current(items)
    }

    /// Returns when one of them has changed, or the wait is over.
    private func watchAny(of items: [WatchItem], wait: Duration) async throws(BrokerError) {
        let first: Result<WatchAnswer, BrokerError>? = await withTaskGroup(of: Result<WatchAnswer, BrokerError>.self) { group in
            for item in items {
                group.addTask { [watches] in
                    do throws(BrokerError) { return .success(try await watches.watch(item, wait: wait)) } catch { return .failure(error) }
                }
            }
            defer { group.cancelAll() }
            // One whose wait is over is not the first that changed.
            for await answer in group {
                if case .success(.unchanged) = answer { continue }
                return answer
            }
            return nil
        }
        _ = try first?.get()
    }

    // MARK: The end

    package func close() async {
        guard isClosed.exchange(true, ordering: .relaxed) == false else { return }
        watches.close()
        calls.close()
        // What is on its way is worth a little wait: the caller who asked for it would not know what became of it.
        let alarm = exchanger.after(exchanger.configuration.closeTimeout) { [exchanger] in exchanger.abandon() }
        async let settled = settles.close()
        for session in [await commits.close(), await settled] {
            if let session { await end(session) }
        }
        alarm.cancel()
        await exchanger.close()
    }

    package func end(session: String) async throws(BrokerError) {
        _ = try await ask(.delete, "/v1/sessions/\(session.pathComponent)", .harmless)
    }

    /// Spares the server the rest of a session's time; where that fails it ends by itself.
    private func end(_ session: String) async {
        let deadline = ContinuousClock.now + exchanger.configuration.closeTimeout
        _ = await exchanger.exchange(Exchanger.Request(.delete, "/v1/sessions/\(session.pathComponent)", deadline: deadline))
    }
}

// MARK: - Requests of their own

extension RemoteBroker {
    /// Sends a request until it has an answer, or patience is at its end.
    /// - Parameter limit: how long at most; as long as the configuration says when nil.
    nonisolated(nonsending) func ask(
        _ method: Exchanger.Request.Method,
        _ path: String,
        body: [UInt8] = [],
        _ kind: Persistence.Kind,
        within limit: Duration? = nil
    ) async throws(BrokerError) -> Answer {
        if isClosed.load(ordering: .relaxed) { throw .closedClient }
        let configuration = exchanger.configuration.limited(to: limit)
        var persistence = Persistence(kind, to: configuration, start: .now)
        let isCancellable = kind == .harmless && !Task.isCancelled
        while true {
            let deadline = persistence.deadline(from: .now, timeout: configuration.requestTimeout)
            let request = Exchanger.Request(method, path, body: body, deadline: deadline)
            let result = isCancellable ? await exchanger.interruptible(request) : await exchanger.exchange(request)
            if isCancellable, Task.isCancelled, case .failure = result { throw .cancelledCaller }
            let failure: ExchangeFailure
            switch result {
            case .success(let answer) where (200..<300).contains(answer.status): return answer
            case .success(let answer): failure = answer.failure
            case .failure(let last): failure = last
            }
            if isClosed.load(ordering: .relaxed) {
                // Of what was sent before, nobody says that it was not done.
                throw persistence.end(kind != .harmless && failure.mayHaveBeenCarriedOut ? failure : .closed)
            }
            switch persistence.failed(failure, at: .now, random: .random(in: .min ... .max)) {
            case .again(let wait):
                await exchanger.rest(wait, isInterruptible: isCancellable)
                if isCancellable, Task.isCancelled { throw .cancelledCaller }
            case .giveUp(let error): throw error
            }
        }
    }

    /// What the document in an answer says.
    func read<Value>(
        _ answer: Answer,
        _ kind: Persistence.Kind,
        _ decode: (Bytes) throws(WireError) -> Value
    ) throws(BrokerError) -> Value {
        do throws(ExchangeFailure) {
            return try answer.document(decode)
        } catch {
            throw Persistence.error(for: error, kind, server: exchanger.configuration.url.description)
        }
    }

    /// Why a request failed that is sent once, whatever comes of it.
    func refusal(_ failure: ExchangeFailure) -> BrokerError {
        if isClosed.load(ordering: .relaxed) { return .closedClient }
        return Persistence.error(for: failure, .harmless, server: exchanger.configuration.url.description).here
    }
}

extension Exchanger {
    /// The answer to a request; it resumes where it was called.
    nonisolated(nonsending) func exchange(_ request: Request) async -> Result<Answer, ExchangeFailure> {
        await withCheckedContinuation { continuation in send(request) { continuation.resume(returning: $0) } }
    }

    /// The same; it ends with the task, and the server sees the connection end.
    func interruptible(_ request: Request) async -> Result<Answer, ExchangeFailure> {
        let ongoing = Mutex(Ongoing?.none)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let started = send(request) { continuation.resume(returning: $0) }
                ongoing.withLock { $0 = started }
                if Task.isCancelled { started.cancel() }
            }
        } onCancel: {
            ongoing.withLock { $0 }?.cancel()
        }
    }
}
