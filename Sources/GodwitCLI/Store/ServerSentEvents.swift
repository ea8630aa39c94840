/// Reads a `text/event-stream` piece by piece (WHATWG HTML, "Server-sent events").
struct ServerSentEvents {
    /// The longest line and the longest event that are read.
    static let largestEvent = 4 << 20

    struct Event: Equatable {
        /// The event's type; `message` when the stream names none.
        var name: String
        var data: String
        /// The last id that the stream gave, by this event or an earlier one.
        var id: String?
    }

    private var line: [UInt8] = []
    private var endedByReturn = false
    private var name = ""
    private var data: [String] = []
    private var dataSize = 0
    private var id: String?

    /// The events that these bytes complete.
    /// - Throws: ``CommandFailure`` when an event is longer than ``largestEvent``.
    mutating func add(_ bytes: some Sequence<UInt8>) throws -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            let followsReturn = endedByReturn
            endedByReturn = byte == 0x0d
            if byte == 0x0a && followsReturn { continue }
            if byte == 0x0a || byte == 0x0d {
                if let event = endLine() { events.append(event) }
                continue
            }
            line.append(byte)
            guard line.count + dataSize <= Self.largestEvent else {
                throw CommandFailure.failed("the server sent an event of more than \(Self.largestEvent >> 20) MiB", code: "too_large")
            }
        }
        return events
    }

    private mutating func endLine() -> Event? {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        guard !text.isEmpty else { return endEvent() }
        guard !text.hasPrefix(":") else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count > 1 ? parts[1] : ""
        if value.first == " " { value = value.dropFirst() }
        switch parts[0] {
        case "event": name = String(value)
        case "data":
            data.append(String(value))
            dataSize += value.utf8.count
        case "id": id = String(value)
        default: break
        }
        return nil
    }

    private mutating func endEvent() -> Event? {
        defer {
            name = ""
            data = []
            dataSize = 0
        }
        guard !data.isEmpty else { return nil }
        return Event(name: name.isEmpty ? "message" : name, data: data.joined(separator: "\n"), id: id)
    }
}
