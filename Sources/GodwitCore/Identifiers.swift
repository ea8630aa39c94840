/// The id of a job: an opaque, unguessable, URL-safe string of at most 64 characters that its broker made.
///
/// Nobody but the broker that made an id reads anything into it; ids do not sort.
public struct JobID: Hashable, Sendable, Codable, CustomStringConvertible {
    private let text: WordText

    /// The id as text, as it stands in URLs and JSON.
    public var description: String { text.description }

    /// Takes any text as an id; a broker answers `unknown` for one that it did not make.
    public init(_ text: String) { self.text = WordText(text) }

    /// An id that is two words, written in base 32.
    package init(_ a: UInt64, _ b: UInt64) { text = .two(a, b) }

    /// The words, if it is two.
    package var words: (UInt64, UInt64)? { if case .two(let a, let b) = text { (a, b) } else { nil } }

    public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode(String.self)) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Proof that its bearer holds a job for the time being: an opaque string of at most 128 characters with 64 unguessable bits.
///
/// Tokens are compared for equality alone. One that was superseded (the lease expired, the job was cancelled or settled) is stale,
/// and nothing can be done with it.
package struct LeaseToken: Hashable, Sendable, CustomStringConvertible {
    private let text: WordText

    package var description: String { text.description }
    package init(_ text: String) { self.text = WordText(text) }

    /// A token that is three words, written in base 32.
    package init(_ a: UInt64, _ b: UInt64, _ c: UInt64) { text = .three(a, b, c) }

    /// The words, if it is three.
    package var words: (UInt64, UInt64, UInt64)? { if case .three(let a, let b, let c) = text { (a, b, c) } else { nil } }
}

/// Whoever holds leases: a random incarnation, never a host name; at most ``Limits/holderName`` bytes.
package struct HolderID: Hashable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ text: String) { description = text }

    package static func == (a: HolderID, b: HolderID) -> Bool { a.description.hasSameBytes(as: b.description) }
    package func hash(into hasher: inout Hasher) { description.hashBytes(into: &hasher) }
}

/// A queue's name: 1 to 200 bytes of UTF-8 without control characters.
package struct QueueName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let description: String

    /// - Throws: ``BrokerError`` (`invalidArgument`, field `queue`) when the name is empty, too long or has a control character.
    package init(_ text: String) throws(BrokerError) {
        guard !text.isEmpty else { throw .invalidArgument("queue", "a queue needs a name: say one of 1 to 200 bytes") }
        guard text.utf8.count <= Limits.queueName else {
            throw .invalidArgument("queue", "this queue name has \(text.utf8.count) bytes: use at most \(Limits.queueName)")
        }
        guard !text.hasControlCharacters else {
            throw .invalidArgument("queue", "a queue name cannot contain control characters")
        }
        description = text
    }

    // Two names are one when their bytes are, as in every other broker: Swift's strings compare by canonical equivalence.
    package static func == (a: QueueName, b: QueueName) -> Bool { a.description.hasSameBytes(as: b.description) }
    package func hash(into hasher: inout Hasher) { description.hashBytes(into: &hasher) }
    package static func < (a: QueueName, b: QueueName) -> Bool {
        a.description.utf8.lexicographicallyPrecedes(b.description.utf8)
    }
}

extension String {
    package func hasSameBytes(as other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        var one = self, two = other
        return one.withUTF8 { one in two.withUTF8 { two in UnsafeRawBufferPointer(one).hasSameBytes(as: UnsafeRawBufferPointer(two)) } }
    }

    package func hashBytes(into hasher: inout Hasher) {
        var text = self
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xff as UInt8)
    }
}

extension UnsafeRawBufferPointer {
    /// Compares word by word: names are compared all the time.
    fileprivate func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count, let one = baseAddress, let two = other.baseAddress else { return count == other.count }
        var at = 0
        while at + 8 <= count {
            guard one.loadUnaligned(fromByteOffset: at, as: UInt64.self) == two.loadUnaligned(fromByteOffset: at, as: UInt64.self) else {
                return false
            }
            at += 8
        }
        while at < count {
            guard one.load(fromByteOffset: at, as: UInt8.self) == two.load(fromByteOffset: at, as: UInt8.self) else { return false }
            at += 1
        }
        return true
    }
}
