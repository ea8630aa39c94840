package import GodwitCore

/// Why a request has no answer that can be used.
package enum ExchangeFailure: Error, Sendable {
    /// It was never sent: no connection came about. It was not carried out.
    case unsent(String)
    /// The connection was lost, or no answer came in time: it may have been carried out.
    case lost(String)
    /// There was an answer, but it cannot be understood: it was carried out, most likely.
    case unreadable(String)
    /// The server's certificate is not believed. It was not sent.
    case untrusted(String)
    /// The server did not carry it out, but may do so later: it is busy, or being restarted.
    case busy(BrokerError)
    /// The server refuses it.
    case refused(BrokerError)
    /// This client was closed before it was sent.
    case closed

    package var reason: String {
        switch self {
        case .unsent(let reason), .lost(let reason), .unreadable(let reason), .untrusted(let reason): reason
        case .busy(let error), .refused(let error): error.message
        case .closed: BrokerError.closedClient.message
        }
    }
}

extension BrokerError {
    package static let closedClient = BrokerError(.closed, "this client was closed: open the server's URL again")

    /// Its caller's task was cancelled while it waited for its turn.
    package static var cancelledCaller: BrokerError {
        BrokerError(.unavailable, "the task that asked for this was cancelled: it was not done", cause: CancellationError())
    }
}
