import GodwitCore
import Synchronization

/// A call that may wait for long, between its posting and the cancelling of its task, whichever comes first.
final class WaitingCall: Sendable {
    private enum State { case new, posted, cancelled }

    private let state = Mutex(State.new)

    /// Posts the command, unless the task was cancelled before.
    func post(_ command: Command, _ ticket: Ticket, _ reply: UnsafeContinuation<Answer, Never>, to inbox: Inbox) {
        let refusal: Answer? = state.withLock { state in
            guard state == .new else { return .abandoned }
            state = .posted
            // In the lock, so that no cancelling overtakes it.
            return inbox.post(command, ticket: ticket, reply: .task(reply)) ? nil : .refused(.closed)
        }
        if let refusal { reply.resume(returning: refusal) }
    }

    /// Ends the wait.
    func cancel(_ ticket: Ticket, in inbox: Inbox) {
        state.withLock { state in
            if state == .posted { _ = inbox.post(.abandon(ticket), reply: nil) }
            state = .cancelled
        }
    }
}
