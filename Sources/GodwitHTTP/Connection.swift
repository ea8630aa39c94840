import Synchronization

/// The connection that a request came by, as the server below the routes knows it.
///
/// Where the routes are mounted in a server that does not say, ``current`` is nil: waits then go on until their time is up, and an answer
/// counts as written when the server took it.
package final class Connection: Sendable {
    @TaskLocal package static var current: Connection?

    /// Set when the peer has closed its side, or the connection is gone.
    package let closed = Latch()
    private let whenWritten = Mutex<(@Sendable (Bool) -> Void)?>(nil)
    private let `continue` = Mutex<(@Sendable () -> Void)?>(nil)

    package init() {}

    /// The connection is gone.
    package func end() {
        closed.set()
        responseWritten(false)
        `continue`.withLock { $0 = nil }
    }

    /// How to tell the client that its body is awaited (`100 Continue`).
    package func onContinue(_ send: @escaping @Sendable () -> Void) { `continue`.withLock { $0 = send } }

    /// Tells a client that asked for it (`Expect: 100-continue`) that its body is awaited.
    func sendContinue() {
        let send = `continue`.withLock { $0 }
        send?()
    }

    /// Calls back once, when the response that is being written has been handed to the network, or will never be.
    package func onResponseWritten(_ callback: @escaping @Sendable (_ succeeded: Bool) -> Void) {
        let previous = whenWritten.withLock { slot in
            defer { slot = callback }
            return slot
        }
        previous?(false)
        if closed.isSet { responseWritten(false) }
    }

    /// Says what became of the response; does nothing when nobody asked.
    package func responseWritten(_ succeeded: Bool) {
        let callback = whenWritten.withLock { slot in
            defer { slot = nil }
            return slot
        }
        callback?(succeeded)
    }
}
