import GodwitCore

/// What is wrong with a record whose checksum is right: it was written by a newer version, or by a faulty one.
enum RecordError: Error, Equatable {
    case truncated
    case malformed(String)
    case newer(String)
    /// It does not fit the state that the records before it make.
    case contradiction(String)
}

/// Reads a record's header bytes; everything is checked, nothing traps.
struct RecordReader {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }
    /// What is not read yet.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[at...]) }

    mutating func get<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(RecordError) -> T {
        let size = MemoryLayout<T>.size
        guard bytes.count - at >= size else { throw .truncated }
        defer { at += size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: T.self))
    }

    /// A job's number: it fits into an id.
    mutating func sequence() throws(RecordError) -> UInt64 { try Self.check(get(), below: 1 << 48) }
    /// A fencing number: an epoch, which can be a wall clock's seconds, above 32 bits that count.
    mutating func fencing() throws(RecordError) -> UInt64 { try Self.check(get(), below: .max << 32) }
    /// A number that others are added to.
    mutating func number() throws(RecordError) -> UInt64 { try Self.check(get(), below: 1 << 62) }
    /// A time or a span in milliseconds that others are added to.
    mutating func time() throws(RecordError) -> Int64 { try Self.check(time: get()) }

    fileprivate static func check(_ number: UInt64, below limit: UInt64) throws(RecordError) -> UInt64 {
        guard number < limit else { throw .malformed("a number out of range") }
        return number
    }

    fileprivate static func check(time: Int64) throws(RecordError) -> Int64 {
        guard abs(Double(time)) < 0x1p53 else { throw .malformed("a time out of range") }
        return time
    }

    mutating func variable() throws(RecordError) -> UInt64 {
        var value: UInt64 = 0, shift: UInt64 = 0
        while true {
            guard at < bytes.count else { throw .truncated }
            let byte = bytes[at]
            at += 1
            guard shift < 63 || byte < 2 else { throw .malformed("a number of more than 64 bits") }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    /// A number as ``RecordWriter/putSigned(_:)`` writes it.
    mutating func signed() throws(RecordError) -> Int64 {
        let coded = try variable()
        return Int64(bitPattern: coded >> 1 ^ (0 &- (coded & 1)))
    }

    mutating func slice() throws(RecordError) -> UnsafeRawBufferPointer {
        let count = try variable()
        guard count <= UInt64(bytes.count - at) else { throw .truncated }
        defer { at += Int(count) }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<at + Int(count)])
    }

    /// So many bytes as they are.
    mutating func raw(_ count: Int) throws(RecordError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - at else { throw .truncated }
        defer { at += count }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<at + count])
    }

    /// A number as ``RecordWriter/put(optional:)`` writes it.
    mutating func optional<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(RecordError) -> T? {
        try get(UInt8.self) == 0 ? nil : try get(T.self)
    }

    mutating func text() throws(RecordError) -> String {
        guard let text = String(utf8: try slice()) else { throw .malformed("a text that is not UTF-8") }
        return text
    }

    /// Numbers as ``RecordWriter/putSequences(_:)`` writes them.
    mutating func sequences() throws(RecordError) -> [UInt64] {
        var sequences: [UInt64] = [], previous: UInt64 = 0
        for _ in 0..<(try variable()) {
            previous = previous &+ UInt64(bitPattern: try signed())
            sequences.append(try Self.check(previous, below: 1 << 48))
        }
        return sequences
    }

    /// The next optional field; nil at the end.
    mutating func field() throws(RecordError) -> Field? {
        guard !isAtEnd else { return nil }
        let tag: UInt8 = try get()
        return Field(tag: RecordTag(rawValue: tag), value: try slice())
    }

    struct Field {
        let tag: RecordTag
        let value: UnsafeRawBufferPointer

        func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(RecordError) -> T {
            var reader = RecordReader(value)
            let number: T = try reader.get()
            guard reader.isAtEnd else { throw .malformed("field \(tag.rawValue) has \(value.count) bytes") }
            return number
        }

        func time() throws(RecordError) -> Int64 { try RecordReader.check(time: integer()) }
        func number() throws(RecordError) -> UInt64 { try RecordReader.check(integer(), below: 1 << 62) }

        func text() throws(RecordError) -> String {
            guard let text = String(utf8: value) else { throw .malformed("field \(tag.rawValue) is not UTF-8") }
            return text
        }

        func headers() throws(RecordError) -> [Header] {
            var reader = RecordReader(value), headers: [Header] = []
            while !reader.isAtEnd { headers.append(Header(name: try reader.text(), value: try reader.text())) }
            return headers
        }

        /// To be called for a tag that the reader does not know.
        func skip() throws(RecordError) {
            if tag.rawValue & RecordTag.critical != 0 { throw .newer("field \(tag.rawValue)") }
        }
    }
}

extension String {
    /// Nil when the bytes are no UTF-8. Most texts are ASCII, and those need not go through the validation, which is slow for short ones.
    fileprivate init?(utf8 bytes: UnsafeRawBufferPointer) {
        guard bytes.allSatisfy({ $0 < 0x80 }) else {
            self.init(validating: bytes, as: UTF8.self)
            return
        }
        self.init(unsafeUninitializedCapacity: bytes.count) { buffer in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
            return bytes.count
        }
    }
}
