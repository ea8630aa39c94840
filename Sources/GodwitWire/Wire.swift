package import GodwitCore

/// Encodes and decodes the documents of ``WireFormat``: pure functions.
///
/// A decoded payload is a slice of the document, nothing is copied. What is decoded is well formed and no more: whether it is acceptable (lengths,
/// numbers of operations, what may follow what) decides whoever carries it out.
package enum Wire {}

extension Wire {
    /// One document, read to its end.
    static func decode<Value>(
        _ bytes: Bytes,
        _ document: Document,
        _ read: (inout FrameReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        var reader = try FrameReader(bytes, document)
        let value = try read(&reader)
        // What a newer version says besides is ancillary, or it is refused.
        if let frame = try reader.open() { throw reader.unknown(frame.kind) }
        return value
    }

    /// A document that is a list of frames.
    static func decodeAll<Value>(
        _ bytes: Bytes,
        _ document: Document,
        _ read: (inout FrameReader, UInt8) throws(WireError) -> Value
    ) throws(WireError) -> [Value] {
        var reader = try FrameReader(bytes, document)
        var values: [Value] = []
        while let (kind, around) = try reader.open() {
            values.append(try read(&reader, kind))
            reader.close(around)
        }
        return values
    }
}

extension Wire {
    /// A request that was refused as a whole.
    package static func encode(_ error: BrokerError) -> [UInt8] {
        var writer = FrameWriter(.error)
        writer.error(error)
        return writer.bytes
    }

    package static func decodeError(_ bytes: Bytes) throws(WireError) -> BrokerError {
        try decode(bytes, .error) { reader throws(WireError) in try reader.error() }
    }
}

extension FrameWriter {
    /// An error's cause stays where it is: it is for the log of whoever met it.
    mutating func error(_ error: BrokerError) {
        let frame = begin(Kind.error)
        byte((error.field == nil ? 0 : 1) | (error.retryAfter == nil ? 0 : 2))
        text(error.code.rawValue)
        text(error.message)
        if let field = error.field { text(field) }
        if let retryAfter = error.retryAfter { duration(retryAfter) }
        end(frame)
    }
}

extension FrameReader {
    mutating func error() throws(WireError) -> BrokerError {
        let frame = try open(Kind.error)
        let flags = try flags(3)
        var error = BrokerError(BrokerError.Code(rawValue: try text()), try text())
        if flags & 1 != 0 { error.field = try text() }
        if flags & 2 != 0 { error.retryAfter = try duration() }
        close(frame)
        return error
    }
}
