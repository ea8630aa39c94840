import NIOCore

/// Limits of one connection.
struct ConnectionLimits: Sendable {
    /// To send a whole request.
    var request: TimeAmount
    /// Between two requests, and to take what is sent.
    var idle: TimeAmount
    /// Bytes that may still come of a request that was answered.
    var unread: Int
}

/// Until when a connection may go on as it does: a state machine without clock or channel.
struct ConnectionTiming {
    private var requestsUnanswered = 0
    private var isReadingRequest = false
    private var isWritable = true
    private var bytesAfterAnswer = 0
    /// When the client is cut off; nil while it is our turn.
    private(set) var deadline: NIODeadline?

    mutating func began(now: NIODeadline, limits: ConnectionLimits) -> NIODeadline? {
        deadline = now + limits.request
        return deadline
    }

    mutating func headRead(now: NIODeadline, limits: ConnectionLimits) -> NIODeadline? {
        isReadingRequest = true
        requestsUnanswered += 1
        bytesAfterAnswer = 0
        // A request that waits behind another one is not being read: its time has not begun.
        if requestsUnanswered == 1 { deadline = now + limits.request }
        return deadline
    }

    /// False when the client sends on and on what nobody wants.
    mutating func bodyRead(_ bytes: Int, limits: ConnectionLimits) -> Bool {
        guard requestsUnanswered == 0 else { return true }
        bytesAfterAnswer += bytes
        return bytesAfterAnswer <= limits.unread
    }

    mutating func requestEnded(now: NIODeadline, limits: ConnectionLimits) -> NIODeadline? {
        isReadingRequest = false
        if isWritable { deadline = requestsUnanswered == 0 ? now + limits.idle : nil }
        return deadline
    }

    mutating func responseEnded(now: NIODeadline, limits: ConnectionLimits) -> NIODeadline? {
        requestsUnanswered = max(0, requestsUnanswered - 1)
        guard isWritable else { return deadline }
        if isReadingRequest {
            deadline = now + limits.request
        } else {
            deadline = requestsUnanswered == 0 ? now + limits.idle : nil
        }
        return deadline
    }

    mutating func writabilityChanged(_ isWritable: Bool, now: NIODeadline, limits: ConnectionLimits) -> NIODeadline? {
        self.isWritable = isWritable
        if !isWritable {
            deadline = now + limits.idle
        } else if isReadingRequest {
            deadline = now + limits.request
        } else {
            deadline = requestsUnanswered == 0 ? now + limits.idle : nil
        }
        return deadline
    }
}
