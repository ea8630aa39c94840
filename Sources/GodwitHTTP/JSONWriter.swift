package import GodwitCore
package import NIOCore

/// Writes JSON straight into a buffer: no intermediate tree, no encoder per answer.
///
/// The caller says the structure; commas and escapes are this type's.
package struct JSONWriter: Sendable {
    package private(set) var buffer: ByteBuffer
    private var needsComma = false

    package init(capacity: Int = 512) { buffer = ByteBufferAllocator().buffer(capacity: capacity) }

    package mutating func object(_ body: (inout JSONWriter) -> Void) { nest(open: "{", close: "}", body) }
    package mutating func array(_ body: (inout JSONWriter) -> Void) { nest(open: "[", close: "]", body) }

    /// A member's name; its value follows.
    package mutating func key(_ name: StaticString) {
        separate()
        name.withUTF8Buffer { quote($0) }
        buffer.writeStaticString(":")
        needsComma = false
    }

    /// A member's name that comes from outside.
    package mutating func key(_ name: String) {
        separate()
        quote(name)
        buffer.writeStaticString(":")
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        quote(text)
    }

    package mutating func integer(_ number: some BinaryInteger) {
        separate()
        buffer.writeString(String(number))
    }

    /// A number; JSON has no infinities and no NaN, they become null.
    package mutating func number(_ number: Double) {
        separate()
        if number.isFinite { buffer.writeString(number.description) } else { buffer.writeStaticString("null") }
    }

    package mutating func bool(_ value: Bool) {
        separate()
        buffer.writeStaticString(value ? "true" : "false")
    }

    package mutating func null() {
        separate()
        buffer.writeStaticString("null")
    }

    /// Bytes that are known to be one JSON value.
    package mutating func raw(_ bytes: Bytes) {
        separate()
        bytes.withUnsafeBytes { _ = buffer.writeBytes($0) }
    }

    package mutating func member(_ name: StaticString, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    package mutating func member(_ name: StaticString, _ value: some BinaryInteger) {
        key(name)
        integer(value)
    }

    package mutating func member(_ name: StaticString, _ value: Bool) {
        key(name)
        bool(value)
    }

    package mutating func member(_ name: StaticString, _ time: Timestamp?) { member(name, time?.description) }

    package mutating func member(_ name: StaticString, base64 bytes: Bytes) {
        key(name)
        separate()
        buffer.writeStaticString("\"")
        buffer.writeString(Base64.encode(bytes))
        buffer.writeStaticString("\"")
    }

    private mutating func nest(open: StaticString, close: StaticString, _ body: (inout JSONWriter) -> Void) {
        separate()
        buffer.writeStaticString(open)
        needsComma = false
        body(&self)
        buffer.writeStaticString(close)
        needsComma = true
    }

    /// An object on a line of its own (JSON lines).
    mutating func line(_ body: (inout JSONWriter) -> Void) {
        needsComma = false
        object(body)
        needsComma = false
        buffer.writeStaticString("\n")
    }

    private mutating func separate() {
        if needsComma { buffer.writeStaticString(",") }
        needsComma = true
    }

    private mutating func quote(_ text: String) {
        var text = text
        text.withUTF8 { quote($0) }
    }

    /// Runs that need no escape are copied whole.
    private mutating func quote(_ text: UnsafeBufferPointer<UInt8>) {
        buffer.writeStaticString("\"")
        var start = 0
        for (index, byte) in text.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5c {
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[start..<index]))
            start = index + 1
            writeEscape(of: byte)
        }
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[start...]))
        buffer.writeStaticString("\"")
    }

    private mutating func writeEscape(of byte: UInt8) {
        switch byte {
        case 0x22: buffer.writeStaticString("\\\"")
        case 0x5c: buffer.writeStaticString("\\\\")
        case 0x0a: buffer.writeStaticString("\\n")
        case 0x0d: buffer.writeStaticString("\\r")
        case 0x09: buffer.writeStaticString("\\t")
        default:
            buffer.writeStaticString("\\u00")
            buffer.writeInteger(Self.hex(byte >> 4))
            buffer.writeInteger(Self.hex(byte & 15))
        }
    }

    private static func hex(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x57 + digit }
}
