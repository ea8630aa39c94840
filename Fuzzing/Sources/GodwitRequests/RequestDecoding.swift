package import GodwitCore
import HTTPTypes

/// For fuzzers: reads whatever bytes come as the parts of requests that are read by hand. Nothing but a typed refusal may come of any input.
package enum RequestDecoding {
    /// A query with its options; durations among them, which read as they are written.
    package static func query(_ input: UnsafeRawBufferPointer) {
        let text = String(decoding: input, as: UTF8.self)
        if let duration = Duration(text: text) {
            precondition(Duration(text: duration.text) == duration, "a duration does not read as it was written")
        }
        if let time = Timestamp(rfc3339: text), Limits.times.contains(time) {
            precondition(Timestamp(rfc3339: time.description) == time, "a time does not read as it was written")
        }
        if let decoded = PercentCoding.decode(text[...]) {
            precondition(PercentCoding.decode(PercentCoding.encode(decoded)[...]) == decoded, "an encoded text is not decoded to the same")
        }
        let names = [
            "delay", "run-at", "priority", "expires", "timeout", "max-attempts", "name", "group", "claim", "transient", "queue", "on-final",
        ]
        guard let items = try? QueryItems(text, known: names, repeatable: ["queue"]) else { return }
        _ = try? items.duration("delay")
        _ = try? items.duration("expires", in: .seconds(1)...Limits.longestDuration)
        _ = try? items.time("run-at")
        _ = try? items.integer("priority", in: 0...255)
        _ = try? items.text("name", limit: 200)
        _ = try? items.flag("transient")
        _ = items.all("queue").map { try? QueueNames.parse($0) }
    }

    /// A body in JSON, as each of those that hold many operations; what was read as a value reads as the same again.
    package static func json(_ input: UnsafeRawBufferPointer) {
        let bytes = Bytes(Array(input))
        let limits = JobRoutes.Limits()
        _ = try? ImportLine(bytes, path: "[0].", limits: limits)
        guard let value = try? JSONValue(parsing: bytes) else { return }
        precondition((try? JSONValue(parsing: value.bytes)) == value, "a value does not read as it was read")
        _ = try? CommitJSON(limits: limits).transactions(value)
        _ = try? JSONMessage(value, path: "", queue: nil, limits: limits)
        _ = try? FollowUpJSON(limits: limits).read(value, field: "on_final", hasEnds: true)
        for (index, item) in (value.elements ?? [value]).prefix(1_000).enumerated() {
            _ = try? BatchItem(item, path: "[\(index)].", limits: limits)
            _ = try? JSONMessage(item, path: "[\(index)].", queue: nil, limits: limits)
        }
        if let text = value.string { precondition(text.utf8.count <= bytes.count, "a text is longer than what it was read from") }
        _ = value.base64
    }

    /// Header fields that mean something: the session, the preference, the idempotency key.
    package static func headers(_ input: UnsafeRawBufferPointer) {
        let text = String(decoding: input, as: UTF8.self)
        guard HTTPField.isValidValue(text) else { return }
        var fields = HTTPFields()
        for name in ["Godwit-Session", "Prefer", "Idempotency-Key", "traceparent", "ce-id"] { fields[HTTPField.Name(name)!] = text }
        _ = try? SessionHeader.of(fields)
        _ = Preference(fields, cap: .seconds(60))
        _ = try? JobHeaders.of(fields)
        _ = try? IdempotencyKey.of(fields)
        _ = MediaType.isJSON(text)
    }
}
