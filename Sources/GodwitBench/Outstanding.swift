import Dispatch
import GodwitCore
import Synchronization

/// Calls of one thread that are not answered yet: so many at most.
final class Outstanding: Sendable {
    private let most: Int
    private let free: DispatchSemaphore
    private let failure = Mutex<BrokerError?>(nil)

    init(_ most: Int) {
        self.most = most
        free = DispatchSemaphore(value: most)
    }

    /// Waits until another call may be made.
    /// - Throws: what an earlier one failed with.
    func begin() throws {
        free.wait()
        guard let error = failure.withLock({ $0 }) else { return }
        free.signal()
        try wait()
        throw error
    }

    /// A call was answered.
    func end(_ error: BrokerError?) {
        if let error { failure.withLock { $0 = $0 ?? error } }
        free.signal()
    }

    /// Waits until all are answered.
    func wait() throws {
        for _ in 0..<most { free.wait() }
        // A semaphore must not end below its first value.
        for _ in 0..<most { free.signal() }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// An answer that a thread waits for.
final class Pending<Value: Sendable>: Sendable {
    private let answer = Mutex<Result<Value, BrokerError>?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    func give(_ result: Result<Value, BrokerError>) {
        answer.withLock { $0 = result }
        isThere.signal()
    }

    /// Waits for the answer; to be called once.
    func take() throws -> Value {
        isThere.wait()
        guard let result = answer.withLock({ $0 }) else { preconditionFailure("an answer is taken once") }
        return try result.get()
    }
}

extension Result where Failure == BrokerError {
    var failure: BrokerError? { if case .failure(let error) = self { error } else { nil } }
}
