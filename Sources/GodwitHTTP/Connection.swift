import Synchronization

/// The connection that a request came by, as the server below the routes knows it.
///
/// Where the routes are mounted in a server that does not say, ``current`` is nil: waits then go on until their time is up, and an answer
/// counts as written when the server took it.
package final class Connection: Sendable {
    @TaskLocal package static var current: Connection?

    private struct State {
        var hasEnded = false
        /// An answer was made that is the last.
        var isLast = false
        /// Requests that came, and answers that went to the network or failed to: both are counted in one order.
        var requests = 0
        /// Who made the current request.
        var access = Access.nobody
        /// Who waits for an answer's fate, by the request's number. There is more than one only while requests are pipelined.
        var whenWritten: [Int: [@Sendable (Bool) -> Void]] = [:]
        var `continue`: (@Sendable () -> Void)?
        /// What the answer to the current request takes of the memory for all answers, before it is there.
        var answerShare: AnswerBudget.Share?
    }

    /// Set when the peer has closed its side, or the connection is gone.
    package let closed = Latch()
    private let state = Mutex(State())

    /// The peer's address, without its port; nil where it has none.
    package let address: String?

    package init(address: String? = nil) { self.address = address }

    /// A request is about to be handled. They are handled one after the other.
    /// - Parameter access: who makes it.
    package func requestBegan(by access: Access) {
        state.withLock { state in
            state.requests += 1
            state.access = access
            state.answerShare = nil
        }
    }

    /// Who made the request that is being handled.
    package var access: Access { state.withLock { $0.access } }

    func keep(_ share: AnswerBudget.Share) { state.withLock { $0.answerShare = share } }

    func takeAnswerShare() -> AnswerBudget.Share? {
        state.withLock { state in
            defer { state.answerShare = nil }
            return state.answerShare
        }
    }

    /// Nothing that still comes is carried out: the answer that was made says that it is the last.
    package func endsWithAnswer() { state.withLock { $0.isLast = true } }

    package var isLast: Bool { state.withLock { $0.isLast } }

    /// The connection is gone: no answer that is not written yet will be.
    package func end() {
        closed.set()
        let callbacks = state.withLock { state in
            state.hasEnded = true
            state.continue = nil
            defer { state.whenWritten = [:] }
            return state.whenWritten.values.flatMap { $0 }
        }
        for callback in callbacks { callback(false) }
    }

    /// Calls back once, when the current request's answer has been handed to the network, or will never be.
    package func onResponseWritten(_ callback: @escaping @Sendable (_ succeeded: Bool) -> Void) {
        let isLate = state.withLock { state in
            if !state.hasEnded { state.whenWritten[state.requests, default: []].append(callback) }
            return state.hasEnded
        }
        if isLate { callback(false) }
    }

    /// Says what became of an answer; does nothing when nobody asked.
    /// - Parameter number: 1 for the answer to the connection's first request.
    package func responseWritten(_ number: Int, succeeded: Bool) {
        let callbacks = state.withLock { $0.whenWritten.removeValue(forKey: number) } ?? []
        for callback in callbacks { callback(succeeded) }
    }

    /// How to tell the client that its body is awaited (`100 Continue`).
    package func onContinue(_ send: @escaping @Sendable () -> Void) { state.withLock { $0.continue = send } }

    /// Tells a client that asked for it (`Expect: 100-continue`) that its body is awaited.
    func sendContinue() {
        let send = state.withLock { $0.continue }
        send?()
    }
}
