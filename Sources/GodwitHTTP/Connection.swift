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

    package init() {}

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
