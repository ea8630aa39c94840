package import GodwitCore
import GodwitJournal

/// Plain messages: bodies side by side in one buffer, each with its checksum, so that the engine's thread only frames and copies them. What
/// they have beside their queues and bodies they have in common.
///
/// All of them are admitted or none, and they are recorded together: after a crash all are there, or none.
package struct MessageBatch: Sendable {
    struct Item: BitwiseCopyable {
        var end: Int
        var checksum: UInt32
        /// The index of its queue.
        var queue: Int32
    }

    /// Where its messages go.
    package let queues: BatchQueues
    /// The bodies' media type.
    package let contentType: String
    /// 0 to 255, higher first.
    package let priority: UInt8
    /// Whether they are confirmed before they are on disk, and gone when the store is opened again.
    package let isTransient: Bool
    private(set) var bytes: [UInt8] = []
    private(set) var items: [Item] = []

    /// - Parameters:
    ///   - queues: made once for many batches.
    ///   - count: how many messages there will be, about.
    ///   - bytes: how many bytes of bodies.
    package init(
        to queues: BatchQueues,
        contentType: String = Content.binary,
        priority: UInt8 = 0,
        isTransient: Bool = false,
        count: Int = 0,
        bytes: Int = 0
    ) {
        self.queues = queues
        self.contentType = contentType
        self.priority = priority
        self.isTransient = isTransient
        items.reserveCapacity(count)
        self.bytes.reserveCapacity(bytes)
    }

    package var count: Int { items.count }

    /// Adds a message; its checksum is computed here, on the caller's thread.
    /// - Parameter queue: the index of its queue.
    /// - Returns: false when the batch is full: it takes at most ``Limits/transactionBytes`` of bodies and ``mostMessages``.
    @discardableResult
    package mutating func append(_ body: UnsafeRawBufferPointer, to queue: Int = 0) -> Bool {
        precondition(queues.names.indices.contains(queue), "a batch names its queues")
        guard bytes.count + body.count <= Limits.transactionBytes, items.count < Self.mostMessages else { return false }
        bytes.append(contentsOf: body)
        items.append(Item(end: bytes.count, checksum: crc32c(body), queue: Int32(queue)))
        return true
    }

    package static let mostMessages = 65_536
    /// Messages that one call can lease: their numbers fit into one record.
    package static let mostLeased = 4_096

    /// What one message counts against its queue's bytes beside its body.
    var overhead: Int { contentType.utf8.count }
}

/// The queues that batches go to, looked at once for many of them.
package struct BatchQueues: Sendable, Equatable {
    package let names: [QueueName]

    /// - Throws: `invalidArgument`, field `queue`, unless it is 1 to ``Limits/queuesPerHolder`` queues, each named once.
    package init(_ names: [QueueName]) throws(BrokerError) {
        guard !names.isEmpty, names.count <= Limits.queuesPerHolder, Set(names).count == names.count else {
            throw .invalidArgument("queue", "a batch goes to 1 to \(Limits.queuesPerHolder) queues, each named once")
        }
        self.names = names
    }

    package init(_ name: QueueName) { names = [name] }
}

/// The numbers of messages that were published together: one after the other.
package struct PublishedRange: Sendable, Hashable {
    let first: UInt64
    package let count: Int
}

/// Messages in the hands of a holder, taken together: numbers and places, no object for each.
package struct LeasedBatch: Sendable {
    struct Item: BitwiseCopyable {
        var sequence: UInt64
        var message: RecordLocation
    }

    var firstFencing: UInt64
    var items: [Item] = []
    /// The indices of those behind whose payloads stands what follows their ends.
    var followed: [Int] = []
    /// Keeps their bodies readable where they were at the delivery, though they may be moved since; nil for an empty one.
    var pin: JournalPin?

    package var count: Int { items.count }
    package var isEmpty: Bool { items.isEmpty }
}
