import GodwitCore
import GodwitWire
import Synchronization

/// Carries out what a ``CommitLane`` says: writes its requests, sends them one at a time, and resumes those who wait.
///
/// There is no task and no timer: whoever adds to an idle lane sends, and the answer to one request sends the next, on the event loop.
final class CommitSender: Sendable {
    /// Who waits for what. A commit that nobody waits for gives back what came too late.
    enum Waiter: Sendable {
        case one(CheckedContinuation<Result<OperationResult, BrokerError>, Never>)
        case many(CheckedContinuation<Result<[TransactionOutcome], BrokerError>, Never>)
        case nobody
    }

    private struct State {
        var lane: CommitLane<Waiter>
        /// Those who wait until nothing is in flight.
        var closing: [CheckedContinuation<Void, Never>] = []
    }

    private let exchanger: Exchanger
    private let state: Mutex<State>

    init(_ exchanger: Exchanger) {
        self.exchanger = exchanger
        state = Mutex(State(lane: CommitLane(exchanger.configuration, newSession: Self.newSession)))
    }

    /// How many commits wait for their turn.
    var waiting: Int { state.withLock { $0.lane.waiting } }

    nonisolated(nonsending) func commit(_ operation: Operation) async throws(BrokerError) -> OperationResult {
        try await wait(for: [Transaction(operation)], as: Waiter.one).get()
    }

    /// - Parameter transactions: as many as fit into one request.
    nonisolated(nonsending) func commit(_ transactions: [Transaction]) async throws(BrokerError) -> [TransactionOutcome] {
        try await wait(for: transactions, as: Waiter.many).get()
    }

    /// Commits what nobody waits for.
    func submit(_ transactions: [Transaction]) { add(transactions, .nobody) }

    /// A task that is cancelled while its commit waits for its turn takes it back. One that was cancelled before it asked wants it all the same:
    /// it has something to undo.
    nonisolated(nonsending) private func wait<Value: Sendable>(
        for transactions: [Transaction],
        as waiter: (CheckedContinuation<Result<Value, BrokerError>, Never>) -> Waiter
    ) async -> Result<Value, BrokerError> {
        if Task.isCancelled { return await withCheckedContinuation { add(transactions, waiter($0)) } }
        return await withPlace({ add(transactions, waiter($0)) }, leave: { leave($0) })
    }

    /// - Returns: its place in the lane; 0 when it was refused.
    @discardableResult
    private func add(_ transactions: [Transaction], _ waiter: Waiter) -> UInt64 {
        let load = CommitLane.Load(transactions, ticket: waiter)
        switch state.withLock({ $0.lane.add(load, at: .now) }) {
        case .sends(let number):
            sendNext()
            return number
        case .waits(let number): return number
        case .refused(let error):
            waiter.resume(.failure(error))
            return 0
        }
    }

    private func leave(_ number: UInt64) {
        state.withLock { $0.lane.leave(number) }?.resume(.failure(.cancelledCaller))
    }

    private func sendNext() {
        guard let parts = state.withLock({ $0.lane.next(at: .now) }) else { return }
        send(parts)
    }

    private func send(_ parts: CommitParts) {
        let body = Wire.encode(CommitRequest(parts.transactions, in: parts.session))
        let request = Exchanger.Request(.post, "/v1/commit", body: body, deadline: parts.deadline, trace: parts.trace)
        exchanger.send(request) { [self] result in
            do throws(ExchangeFailure) {
                let outcomes = try result.get().document { bytes throws(WireError) in try Wire.decodeOutcomes(bytes) }
                guard let settled = state.withLock({ $0.lane.answered(outcomes, at: .now) }) else {
                    throw .unreadable("it has \(outcomes.count) outcomes for \(parts.transactions.count) transactions")
                }
                finish(settled)
            } catch {
                failed(error)
            }
        }
    }

    private func failed(_ failure: ExchangeFailure) {
        let random = UInt64.random(in: .min ... .max)
        switch state.withLock({ $0.lane.failed(failure, at: .now, random: random) }) {
        case .again(let wait, let settled):
            exchanger.after(wait) { [self] in
                guard let parts = state.withLock({ $0.lane.again(at: .now) }) else { return }
                send(parts)
            }
            for one in settled { one.ticket.resume(one.outcome) }
        case .settled(let settled): finish(settled)
        }
    }

    /// The next request goes out before those who wait are resumed: while the server works on it they bring what follows.
    private func finish(_ settled: [CommitLane<Waiter>.Settled]) {
        let closing = state.withLock { state in
            guard state.lane.isIdle else { return [CheckedContinuation<Void, Never>]() }
            defer { state.closing = [] }
            return state.closing
        }
        sendNext()
        for one in settled { one.ticket.resume(one.outcome) }
        for continuation in closing { continuation.resume() }
    }

    /// Takes nothing more; returns when nothing is in flight. Those who wait and are not in flight are told that this was closed.
    /// - Returns: the session, if it can be ended.
    func close() async -> String? {
        for one in state.withLock({ $0.lane.close() }) { one.ticket.resume(one.outcome) }
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if !state.lane.isIdle { state.closing.append(continuation) }
                return state.lane.isIdle
            }
            if isIdle { continuation.resume() }
        }
        return state.withLock { $0.lane.finished }
    }

    private static func newSession() -> String {
        "swift-" + String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
    }
}

extension CommitSender.Waiter {
    fileprivate func resume(_ outcome: Result<ArraySlice<TransactionOutcome>, BrokerError>) {
        switch self {
        case .one(let continuation): continuation.resume(returning: outcome.one)
        case .many(let continuation): continuation.resume(returning: outcome.map { $0.map(\.here) })
        case .nobody: break
        }
    }
}

extension Result<ArraySlice<TransactionOutcome>, BrokerError> {
    fileprivate var one: Result<OperationResult, BrokerError> {
        switch self {
        case .failure(let error): return .failure(error)
        case .success(let outcomes):
            switch outcomes.first {
            case .committed(let results)?: return results.first.map { .success($0) } ?? .failure(.noAnswer)
            case .aborted(_, let error)?: return .failure(error.here)
            case nil: return .failure(.noAnswer)
            }
        }
    }
}

extension TransactionOutcome {
    /// As it is to whoever uses the server; see ``BrokerError/here``.
    var here: TransactionOutcome {
        if case .aborted(let operation, let error) = self { .aborted(operation: operation, error.here) } else { self }
    }
}

extension BrokerError {
    /// What a server says of its own store, as it is to whoever uses the server: this client was not closed, and can go on when the server is
    /// there again.
    var here: BrokerError {
        guard code == .closed || code == .storeFailed else { return self }
        return BrokerError(
            .unavailable,
            "the server cannot use its store (\(code): \(message)): it is well again when it was restarted",
            retryAfter: retryAfter,
            cause: self
        )
    }

    fileprivate static let noAnswer = BrokerError(
        .outcomeUnknown,
        "the server did not say what became of an operation: look before it is tried again"
    )
}
