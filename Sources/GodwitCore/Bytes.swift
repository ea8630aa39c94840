/// Immutable bytes: an owner and a range in it. Slicing shares the owner, nothing is copied.
///
/// Payloads, results and record values travel as `Bytes` through every layer, so that a body that was read from disk or from a
/// socket is not copied between the broker and whoever uses it.
package struct Bytes: Sendable, Hashable {
    private let storage: ArraySlice<UInt8>

    package init() { storage = [] }
    package init(_ array: [UInt8]) { storage = array[...] }
    package init(_ slice: ArraySlice<UInt8>) { storage = slice }
    package init(_ text: String) { storage = Array(text.utf8)[...] }

    package var count: Int { storage.count }
    package var isEmpty: Bool { storage.isEmpty }

    /// A copy as an array; no copy is made when the range is the owner's whole.
    package var array: [UInt8] { Array(storage) }

    /// The bytes as a slice of their owner.
    package var slice: ArraySlice<UInt8> { storage }

    /// The bytes as text, or nil when they are not UTF-8.
    package var text: String? { String(validating: storage, as: UTF8.self) }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result: Swift.Result<Result, Failure> = storage.withUnsafeBytes { buffer in
            do throws(Failure) { return .success(try body(buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

extension Bytes: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self.init(value) }
}

/// Bytes with the media type that says how to read them.
package struct Content: Sendable, Hashable {
    package var bytes: Bytes
    /// A media type such as `application/json`; at most ``Limits/contentType`` bytes.
    package var type: String

    package init(_ bytes: Bytes, type: String = Content.json) {
        self.bytes = bytes
        self.type = type
    }

    package static let json = "application/json"
    package static let binary = "application/octet-stream"
    package static let text = "text/plain; charset=utf-8"
}
