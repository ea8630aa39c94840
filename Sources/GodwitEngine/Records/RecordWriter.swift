import GodwitCore

/// Builds a record's header bytes: fixed fields in little-endian order, then optional ones as tag, length, value.
struct RecordWriter {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(512) }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// An unsigned number in as few bytes as it needs (LEB128).
    mutating func putVariable(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A number of either sign in as few bytes as it needs (zigzag).
    mutating func putSigned(_ value: Int64) { putVariable(UInt64(bitPattern: value << 1 ^ value >> 63)) }

    /// Jobs' numbers, which mostly come in their order: each as its difference from the one before, of either sign.
    mutating func putSequences(_ sequences: [UInt64]) {
        putVariable(UInt64(sequences.count))
        var previous: UInt64 = 0
        for sequence in sequences {
            putSigned(Int64(bitPattern: sequence &- previous))
            previous = sequence
        }
    }

    /// Bytes as they are.
    mutating func put(raw value: UnsafeRawBufferPointer) { bytes.append(contentsOf: value) }

    /// A number that may be missing.
    mutating func put<T: FixedWidthInteger>(optional value: T?) {
        put(UInt8(value == nil ? 0 : 1))
        if let value { put(value) }
    }

    /// A text with its length before it.
    mutating func putText(_ text: String) {
        var text = text
        text.withUTF8 {
            putVariable(UInt64($0.count))
            bytes.append(contentsOf: $0)
        }
    }

    /// Bytes with their length before them.
    mutating func putBytes(_ value: some Collection<UInt8>) {
        putVariable(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func field(_ tag: RecordTag, _ text: String) {
        bytes.append(tag.rawValue)
        putText(text)
    }

    mutating func field(_ tag: RecordTag, bytes value: some Collection<UInt8>) {
        bytes.append(tag.rawValue)
        putVariable(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func field<T: FixedWidthInteger>(_ tag: RecordTag, _ value: T) {
        bytes.append(tag.rawValue)
        bytes.append(UInt8(T.bitWidth / 8))
        put(value)
    }

    /// The headers of a message.
    mutating func field(_ tag: RecordTag, headers: [Header]) {
        var size = 0
        for header in headers {
            for count in [header.name.utf8.count, header.value.utf8.count] { size += Self.variableSize(UInt64(count)) + count }
        }
        bytes.append(tag.rawValue)
        putVariable(UInt64(size))
        for header in headers {
            putText(header.name)
            putText(header.value)
        }
    }

    private static func variableSize(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }
}

/// The optional fields of records. A reader that does not know a tag skips it, unless its ``critical`` bit is set: then it must refuse.
struct RecordTag: RawRepresentable, Hashable {
    let rawValue: UInt8

    static let critical: UInt8 = 0x80

    static let name = RecordTag(rawValue: 1)
    static let contentType = RecordTag(rawValue: 2)
    static let headers = RecordTag(rawValue: 3)
    /// Engine time in milliseconds.
    static let due = RecordTag(rawValue: 4)
    /// Wall time in milliseconds.
    static let dueAt = RecordTag(rawValue: 5)
    static let expires = RecordTag(rawValue: 6)
    static let timeout = RecordTag(rawValue: 7)
    static let key = RecordTag(rawValue: 8)
    static let fingerprint = RecordTag(rawValue: 9)
    static let position = RecordTag(rawValue: 10)
    static let code = RecordTag(rawValue: 11)
    static let note = RecordTag(rawValue: 12)
    static let holder = RecordTag(rawValue: 13)
    /// What a job died of.
    static let reason = RecordTag(rawValue: 14)
    /// Of a release: it is as if the job had not been delivered.
    static let untouched = RecordTag(rawValue: 15)
    static let group = RecordTag(rawValue: 32 | critical)
    /// Wall time at which it was published first, where that was in another store.
    static let created = RecordTag(rawValue: 35)
    static let claim = RecordTag(rawValue: 34 | critical)
    /// The job whose dead letter it is.
    static let origin = RecordTag(rawValue: 36)
    static let deaths = RecordTag(rawValue: 37)
    /// What follows the job's end: how many bytes of the record's body, the last ones, it takes. In what follows, that itself.
    static let onFinal = RecordTag(rawValue: 45 | critical)
    static let maxAttempts = RecordTag(rawValue: 46)
    static let transient = RecordTag(rawValue: 40 | critical)
    // In checkpoints alone.
    static let started = RecordTag(rawValue: 20)
    static let fraction = RecordTag(rawValue: 21)
    static let failure = RecordTag(rawValue: 22)
    static let attempts = RecordTag(rawValue: 23)
    static let amendment = RecordTag(rawValue: 24)
    static let isDeadLettered = RecordTag(rawValue: 25)
    // Taken for what is to come, so that no later version needs another format: 33 fairness key,
    // 38 deliveries, 39 attempts, 41 parent, 42 trace context, 43 session, 44 number.

    // Settings of a queue.
    static let maxWait = RecordTag(rawValue: 48 | critical)
    static let overflow = RecordTag(rawValue: 49 | critical)
    static let ttl = RecordTag(rawValue: 50 | critical)
    static let maxDeliveries = RecordTag(rawValue: 51 | critical)
    static let deadLetterQueue = RecordTag(rawValue: 52 | critical)
}
