package import Foundation
package import GodwitCore

/// How jobs and results become JSON: ISO 8601 dates in UTC with milliseconds, base64 data, sorted keys, no envelope.
///
/// Dates are read with and without a fraction, with any offset. Sorted keys make the same job the same bytes, which the fingerprint of an
/// idempotency key needs; of what Swift itself orders at random (a `Set`, a dictionary with keys of its own type) they cannot.
enum JobCoding {
    static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dataEncodingStrategy = .base64
        encoder.dateEncodingStrategy = .custom { date, encoder in
            guard let text = text(of: date) else {
                // Enqueued, it would be a job that no worker can read.
                throw EncodingError.invalidValue(
                    date,
                    .init(codingPath: encoder.codingPath, debugDescription: "an ISO 8601 date is of the years 0 to 9999")
                )
            }
            var container = encoder.singleValueContainer()
            try container.encode(text)
        }
        return encoder
    }()

    static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.dataDecodingStrategy = .base64
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = date(of: text) else {
                throw DecodingError.dataCorruptedError(
                    in: container,
                    debugDescription: "\"\(text.prefix(64))\" is no ISO 8601 date such as 2026-11-24T22:07:43Z"
                )
            }
            return date
        }
        return decoder
    }()

    /// Nil for a date that four digits cannot say the year of.
    static func text(of date: Date) -> String? {
        let time = Timestamp(date)
        return Limits.times.contains(time) ? time.description : nil
    }

    static func date(of text: String) -> Date? { Timestamp(rfc3339: text)?.date }

    static func encode(_ value: some Encodable) throws -> Content {
        if let plain = PlainEncoder.encode(value) { return Content(Bytes(plain), type: Content.json) }
        return Content(Bytes(Array(try encoder.encode(value))), type: Content.json)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: Bytes) throws -> Value {
        do { return try PlainDecoder.decode(type, from: bytes) } catch is PlainDecoder.GaveUp {}
        return try decoder.decode(type, from: Data(bytes.slice))
    }
}

extension Timestamp {
    /// The nearest whole millisecond; the ends of the range for what lies outside of it.
    package init(_ date: Date) {
        let milliseconds = (date.timeIntervalSince1970 * 1_000).rounded()
        self.init(milliseconds: Int64(exactly: milliseconds) ?? (milliseconds > 0 ? .max : .min))
    }

    package var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1_000) }
}
