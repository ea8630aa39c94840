package import GodwitCore

/// A read, or an act of administration. Many travel in one request, and each is answered by itself.
package enum Call: Sendable {
    case jobs([JobID])
    case records([RecordKey])
    case payload(JobID)
    case result(JobID)
    case browse(BrowseQuery)
    case list(JobQuery)
    case queues
    case queue(QueueName)
    case configure(QueueName, QueueSettings, expecting: Expectation, startsPaused: Bool)
    case pause(QueueName)
    case resume(QueueName)
    case purge(QueueName)
    case delete(QueueName, purging: Bool)
    /// Whether changes can be confirmed.
    case check
}

/// What a ``Call`` is answered with.
package enum CallAnswer: Sendable {
    case jobs([JobLookup])
    case records([Record?])
    /// Of `payload` and `result`.
    case content(Content?)
    case browsed(BrowsePage)
    case listed(JobPage)
    case queues([QueueStatus])
    /// Of `queue` and `configure`.
    case queue(QueueStatus?)
    case purged(Int)
    /// Of all that answers nothing.
    case done
    case refused(BrokerError)
}

extension Wire {
    package static func encode(_ calls: [Call]) -> [UInt8] {
        var writer = FrameWriter(.calls, capacity: 32 + calls.count * 96)
        for call in calls { writer.call(call) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeCalls(_ bytes: Bytes) throws(WireError) -> [Call] {
        try decodeAll(bytes, .calls) { reader, kind throws(WireError) in
            try reader.take(1, weight: WireFormat.itemsOfCall)
            return try reader.call(kind)
        }
    }
}

extension FrameWriter {
    fileprivate mutating func call(_ call: Call) {
        switch call {
        case .jobs(let ids):
            let frame = begin(Kind.readJobs)
            count(ids.count)
            for id in ids { job(id) }
            end(frame)
        case .records(let keys):
            let frame = begin(Kind.readRecords)
            count(keys.count)
            for key in keys { self.key(key) }
            end(frame)
        case .payload(let id): named(id, Kind.readPayload)
        case .result(let id): named(id, Kind.readResult)
        case .browse(let query): browse(query)
        case .list(let query): list(query)
        case .queues: empty(Kind.readQueues)
        case .queue(let name): named(name, Kind.readQueue)
        case .configure(let name, let settings, let expecting, let startsPaused):
            let frame = begin(Kind.configure)
            byte(startsPaused ? 1 : 0)
            queue(name)
            expectation(expecting)
            self.settings(settings)
            end(frame)
        case .pause(let name): named(name, Kind.pause)
        case .resume(let name): named(name, Kind.resume)
        case .purge(let name): named(name, Kind.purge)
        case .delete(let name, let purging):
            let frame = begin(Kind.deleteQueue)
            byte(purging ? 1 : 0)
            queue(name)
            end(frame)
        case .check: empty(Kind.check)
        }
    }

    private mutating func named(_ id: JobID, _ kind: UInt8) {
        let frame = begin(kind)
        job(id)
        end(frame)
    }

    private mutating func named(_ name: QueueName, _ kind: UInt8) {
        let frame = begin(kind)
        queue(name)
        end(frame)
    }

    private mutating func browse(_ query: BrowseQuery) {
        let frame = begin(Kind.browse)
        byte(query.cursor == nil ? 0 : 1)
        queue(query.queue)
        signed(Int64(query.limit))
        if let cursor = query.cursor { text(cursor) }
        end(frame)
    }

    private mutating func list(_ query: JobQuery) {
        let frame = begin(Kind.list)
        var present: UInt64 = query.isOldestFirst ? 1 : 0
        if query.queue != nil { present |= 2 }
        if query.state != nil { present |= 4 }
        if query.name != nil { present |= 8 }
        if query.reason != nil { present |= 16 }
        if query.cursor != nil { present |= 32 }
        if query.end != nil { present |= 64 }
        number(present)
        signed(Int64(query.limit))
        if let name = query.queue { queue(name) }
        if let state = query.state { self.state(state) }
        if let name = query.name { text(name) }
        if let reason = query.reason { self.reason(reason) }
        if let cursor = query.cursor { text(cursor) }
        if let last = query.end { text(last) }
        end(frame)
    }
}

extension FrameReader {
    fileprivate mutating func call(_ kind: UInt8) throws(WireError) -> Call {
        switch kind {
        case Kind.readJobs: return .jobs(try jobs())
        case Kind.readRecords:
            var keys: [RecordKey] = []
            for _ in 0..<(try count(least: 2)) { keys.append(try key()) }
            return .records(keys)
        case Kind.readPayload: return .payload(try job())
        case Kind.readResult: return .result(try job())
        case Kind.browse: return .browse(try browse())
        case Kind.list: return .list(try list())
        case Kind.readQueues: return .queues
        case Kind.readQueue: return .queue(try queue())
        case Kind.configure:
            let startsPaused = try flags(1) != 0
            let name = try queue(), expecting = try expectation()
            return .configure(name, try settings(), expecting: expecting, startsPaused: startsPaused)
        case Kind.pause: return .pause(try queue())
        case Kind.resume: return .resume(try queue())
        case Kind.purge: return .purge(try queue())
        case Kind.deleteQueue:
            let purging = try flags(1) != 0
            return .delete(try queue(), purging: purging)
        case Kind.check: return .check
        default: throw unknown(kind)
        }
    }

    private mutating func browse() throws(WireError) -> BrowseQuery {
        let hasCursor = try flags(1) != 0
        let name = try queue(), limit = Int(clamping: try signed())
        return BrowseQuery(queue: name, limit: limit, cursor: hasCursor ? try text() : nil)
    }

    private mutating func list() throws(WireError) -> JobQuery {
        let present = try number()
        guard present < 128 else {
            throw WireError(.unknown, "a list has conditions that are not known here: the other side is newer", offset: offset)
        }
        var query = JobQuery(isOldestFirst: present & 1 != 0, limit: Int(clamping: try signed()))
        if present & 2 != 0 { query.queue = try queue() }
        if present & 4 != 0 { query.state = try state() }
        if present & 8 != 0 { query.name = try text() }
        if present & 16 != 0 { query.reason = try reason() }
        if present & 32 != 0 { query.cursor = try text() }
        if present & 64 != 0 { query.end = try text() }
        return query
    }
}
