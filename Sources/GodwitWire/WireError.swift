/// Why a document cannot be read.
package struct WireError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Reason: Sendable, Hashable {
        /// It is cut short, or its bytes are not what they must be.
        case damaged
        /// It is of a major version that this one does not know.
        case newerMajor
        /// Something in it is not known here and must not be passed over.
        case unknown
        /// A value in it is none that there can be, such as a queue's name of 300 bytes.
        case unacceptable
    }

    package var reason: Reason
    /// What is wrong, and what to do.
    package var message: String
    /// The offset of the byte at which it was noticed.
    package var offset: Int

    package init(_ reason: Reason, _ message: String, offset: Int) {
        self.reason = reason
        self.message = message
        self.offset = offset
    }

    package var description: String { "\(message) (at byte \(offset))" }
}
