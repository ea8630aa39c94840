import GodwitCore
import GodwitHTTP
import NIOCore

/// How the command line reads the store's answers: what is missing is nil, and everything is passed on as the bytes that came.
extension JSONValue {
    /// Nil when the bytes are not exactly one JSON value.
    init?(_ bytes: some Sequence<UInt8>) {
        guard let value = try? JSONValue(parsing: Bytes(Array(bytes))) else { return nil }
        self = value
    }

    /// The value as it was written.
    var text: String { bytes.text ?? "" }

    /// The member of this name; nil when it is missing or null, and for everything but objects.
    subscript(name: String) -> JSONValue? {
        guard let value = (try? members())?.first(where: { $0.name == name })?.value, !value.isNull else { return nil }
        return value
    }
}

extension JSONWriter {
    /// The JSON that `body` writes, as text.
    static func text(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        body(&writer)
        return String(buffer: writer.buffer)
    }

    /// The JSON that `body` writes, as bytes.
    static func bytes(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        body(&writer)
        return Array(writer.buffer.readableBytesView)
    }
}
