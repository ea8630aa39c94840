package import GodwitCore

/// Names of queues: as they are, with `*` for any run of characters, an empty one too.
package struct QueuePattern: Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ text: String) { description = text }

    /// Asked of all queues there are, one after the other: it allocates nothing.
    package func matches(_ queue: QueueName) -> Bool {
        var pattern = description, name = queue.description
        return pattern.withUTF8 { pattern in name.withUTF8 { name in Self.matches(pattern, name) } }
    }

    private static func matches(_ pattern: UnsafeBufferPointer<UInt8>, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0, star: Int?, resume = 0, next = 0
        while next < name.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                (star, resume) = (at, next)
                at += 1
            } else if at < pattern.count, pattern[at] == name[next] {
                at += 1
                next += 1
            } else if let star {
                // The latest star takes one more: an earlier one need never be tried again.
                resume += 1
                (at, next) = (star + 1, resume)
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
