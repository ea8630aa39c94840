package import GodwitCore

/// What a client asks of its event stream.
package enum WatchRequest: Sendable {
    /// Answers once: when the item is not at the version that the client knows, or `wait` is over. The client draws the numbers.
    case watch(number: UInt64, WatchItem, wait: Duration)
    /// The client no longer wants to know.
    case unwatch(number: UInt64)
}

/// What comes on an event stream.
package enum WatchEvent: Sendable {
    /// The first: the stream's id, under which it is asked for watches.
    case opened(stream: String)
    case answered(number: UInt64, WatchAnswer)
    case refused(number: UInt64, BrokerError)
    /// Nothing else came for a while.
    case alive
    /// The last: the server takes no more, open another stream.
    case closing(retryAfter: Duration?)
}

extension Wire {
    package static func encode(_ requests: [WatchRequest]) -> [UInt8] {
        var writer = FrameWriter(.watches, capacity: 32 + requests.count * 64)
        for request in requests { writer.request(request) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeWatches(_ bytes: Bytes) throws(WireError) -> [WatchRequest] {
        try decodeAll(bytes, .watches) { reader, kind throws(WireError) in
            try reader.take(1, weight: WireFormat.itemsOfWatch)
            return try reader.watchRequest(kind)
        }
    }
}

/// Writes an event stream piece by piece.
package enum WatchStreamWriter {
    /// What the stream begins with.
    package static var preamble: [UInt8] { FrameWriter(.watchStream).bytes }

    package static func frame(_ event: WatchEvent) -> [UInt8] {
        var writer = FrameWriter()
        writer.event(event)
        return writer.bytes
    }
}

/// Reads an event stream that comes in pieces of any size.
package struct WatchStreamReader: Sendable {
    /// The largest event that can be: a job with its errors and its deaths takes no more than some 100 KiB, a record 1 MiB.
    package static let longestEvent = 4 << 20

    private var bytes: [UInt8] = []
    private var at = 0
    private var isBegun = false

    package init() {}

    package mutating func add(_ piece: some Collection<UInt8>) {
        if at > 0 {
            bytes.removeFirst(at)
            at = 0
        }
        bytes += piece
    }

    /// - Returns: nil when the next event has not come wholly.
    /// - Throws: ``WireError``; the stream is of no use then.
    package mutating func next() throws(WireError) -> WatchEvent? {
        if !isBegun {
            guard bytes.count >= WireFormat.preambleBytes else { return nil }
            _ = try FrameReader(Bytes(bytes[..<WireFormat.preambleBytes]), .watchStream)
            at = WireFormat.preambleBytes
            isBegun = true
        }
        while bytes.count - at >= WireFormat.frameHeaderBytes {
            var count = 0
            for index in 0..<4 { count |= Int(bytes[at + 1 + index]) << (8 * index) }
            guard count <= Self.longestEvent else {
                throw WireError(.unacceptable, "an event of \(count) bytes is longer than any can be", offset: at)
            }
            let end = at + WireFormat.frameHeaderBytes + count
            guard end <= bytes.count else { return nil }
            var reader = FrameReader(frames: bytes[at..<end])
            at = end
            guard let (kind, around) = try reader.open() else { continue }
            let event = try reader.event(kind)
            reader.close(around)
            return event
        }
        return nil
    }
}

extension FrameWriter {
    fileprivate mutating func request(_ request: WatchRequest) {
        let frame: Int
        switch request {
        case .watch(let number, .job(let id, let known), let wait):
            frame = begin(Kind.watchJob)
            watch(number, known, wait)
            job(id)
        case .watch(let number, .record(let key, let known), let wait):
            frame = begin(Kind.watchRecord)
            watch(number, known, wait)
            self.key(key)
        case .unwatch(let number):
            frame = begin(Kind.unwatch)
            self.number(number)
        }
        end(frame)
    }

    private mutating func watch(_ number: UInt64, _ known: Version?, _ wait: Duration) {
        byte(known == nil ? 0 : 1)
        self.number(number)
        if let known { self.number(known.number) }
        duration(wait)
    }

    fileprivate mutating func event(_ event: WatchEvent) {
        switch event {
        case .opened(let stream):
            let frame = begin(Kind.opened)
            text(stream)
            end(frame)
        case .answered(let number, let answer):
            let frame = begin(Kind.changed)
            self.number(number)
            switch answer {
            case .unchanged: empty(Kind.unchanged)
            case .job(let lookup): self.lookup(lookup)
            case .record(let record): self.record(record)
            }
            end(frame)
        case .refused(let number, let error):
            let frame = begin(Kind.refused)
            self.number(number)
            self.error(error)
            end(frame)
        case .alive: empty(Kind.alive)
        case .closing(let retryAfter):
            let frame = begin(Kind.closing)
            flag(retryAfter != nil)
            if let retryAfter { duration(retryAfter) }
            end(frame)
        }
    }
}

extension FrameReader {
    fileprivate mutating func watchRequest(_ kind: UInt8) throws(WireError) -> WatchRequest {
        if kind == Kind.unwatch { return .unwatch(number: try number()) }
        guard kind == Kind.watchJob || kind == Kind.watchRecord else { throw unknown(kind) }
        let hasVersion = try flags(1) != 0
        let number = try number()
        let known = hasVersion ? Version(try self.number()) : nil
        let wait = try duration()
        let item: WatchItem = kind == Kind.watchJob ? .job(try job(), known: known) : .record(try key(), known: known)
        return .watch(number: number, item, wait: wait)
    }

    fileprivate mutating func event(_ kind: UInt8) throws(WireError) -> WatchEvent {
        switch kind {
        case Kind.opened: return .opened(stream: try text())
        case Kind.changed:
            let number = try number()
            return .answered(number: number, try watchAnswer())
        case Kind.refused:
            let number = try number()
            return .refused(number: number, try error())
        case Kind.alive: return .alive
        case Kind.closing: return .closing(retryAfter: try flag() ? try duration() : nil)
        default: throw unknown(kind)
        }
    }

    private mutating func watchAnswer() throws(WireError) -> WatchAnswer {
        guard let (kind, around) = try open() else { throw damaged("a watch's answer is missing") }
        let answer: WatchAnswer
        switch kind {
        case Kind.unchanged: answer = .unchanged
        case Kind.job: answer = .job(.found(try openedSnapshot()))
        case Kind.jobUnknown: answer = .job(.unknown)
        case Kind.jobForgotten: answer = .job(.forgotten)
        case Kind.record: answer = .record(try openedRecord())
        case Kind.noRecord: answer = .record(nil)
        default: throw unknown(kind)
        }
        close(around)
        return answer
    }
}
