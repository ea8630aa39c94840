import GodwitCore

/// What follows a job's end, or a full counter, as a record's body holds it.
enum FollowUpCoding {
    /// Another layout means that old readers must refuse.
    private static let layout: UInt8 = 1

    private enum Kind: UInt8 {
        case enqueue = 1, put, add, cancel
    }

    // MARK: Encoding

    static func encode(_ operations: [Operation]) -> [UInt8] { encode(operations.map { FollowUp($0) }) }

    /// - Parameter followUps: of the kinds of operations that can follow.
    static func encode(_ followUps: [FollowUp]) -> [UInt8] {
        var writer = RecordWriter()
        writer.put(layout)
        writer.putVariable(UInt64(followUps.count))
        for followUp in followUps {
            writer.put(followUp.when.rawValue)
            var operation = RecordWriter()
            encode(followUp.operation, into: &operation)
            writer.putBytes(operation.bytes)
        }
        return writer.bytes
    }

    private static func encode(_ operation: Operation, into writer: inout RecordWriter) {
        switch operation {
        case .enqueue(let message):
            writer.put(Kind.enqueue.rawValue)
            encode(message, into: &writer)
        case .put(let key, let value, _, let lifetime):
            writer.put(Kind.put.rawValue)
            Change.encode(key, into: &writer)
            writer.putBytes(value.slice)
            if let lifetime { writer.field(.expires, lifetime.inMilliseconds) }
        case .add(let addition):
            writer.put(Kind.add.rawValue)
            Change.encode(addition.key, into: &writer)
            writer.putText(addition.step)
            writer.putVariable(UInt64(addition.amount))
            writer.putVariable(UInt64(addition.target))
            if let lifetime = addition.lifetime { writer.field(.expires, lifetime.inMilliseconds) }
            if !addition.then.isEmpty { writer.field(.onFinal, bytes: encode(addition.then)) }
        case .cancel(let id):
            writer.put(Kind.cancel.rawValue)
            writer.putText(id.description)
        default: preconditionFailure("an operation that cannot follow was not refused")
        }
    }

    private static func encode(_ message: NewMessage, into writer: inout RecordWriter) {
        writer.putText(message.queue.description)
        writer.put(UInt8(clamping: message.priority))
        writer.putBytes(message.payload.bytes.slice)
        if message.payload.type != Content.json { writer.field(.contentType, message.payload.type) }
        if let name = message.name { writer.field(.name, name) }
        if !message.headers.isEmpty { writer.field(.headers, headers: message.headers) }
        switch message.start {
        case .now: break
        case .after(let delay): writer.field(.due, delay.inMilliseconds)
        case .at(let time): writer.field(.dueAt, time.milliseconds)
        }
        if let expires = message.expires { writer.field(.expires, expires.inMilliseconds) }
        if let timeout = message.timeout { writer.field(.timeout, timeout.inMilliseconds) }
        if let most = message.maxAttempts { writer.field(.maxAttempts, UInt16(clamping: most)) }
        if let deduplication = message.deduplication {
            writer.field(.key, deduplication.key)
            if let fingerprint = deduplication.fingerprint { writer.field(.fingerprint, fingerprint) }
        }
        if let group = message.group { writer.field(.group, group) }
        if let claim = message.claim { writer.field(.claim, claim) }
        if message.isTransient { writer.field(.transient, UInt8(1)) }
        if !message.onFinal.isEmpty { writer.field(.onFinal, bytes: encode(message.onFinal)) }
    }

    // MARK: Decoding

    static func decode(_ bytes: UnsafeRawBufferPointer, depth: Int = 0) throws(RecordError) -> [FollowUp] {
        guard depth < Limits.followUpDepth else { throw .malformed("what follows stands too deep inside each other") }
        var reader = RecordReader(bytes)
        let layout: UInt8 = try reader.get()
        guard layout == Self.layout else { throw .newer("layout \(layout) of what follows") }
        var followUps: [FollowUp] = []
        for _ in 0..<(try reader.variable()) {
            let when = FinalStates(rawValue: try reader.get())
            var operation = RecordReader(try reader.slice())
            followUps.append(FollowUp(try Self.operation(&operation, depth), when: when))
        }
        return followUps
    }

    private static func operation(_ reader: inout RecordReader, _ depth: Int) throws(RecordError) -> Operation {
        let code: UInt8 = try reader.get()
        guard let kind = Kind(rawValue: code) else { throw .newer("the operation \(code) that follows") }
        switch kind {
        case .enqueue: return .enqueue(try message(&reader, depth))
        case .put:
            let key = try Change.recordKey(&reader), value = Bytes(Array(try reader.slice()))
            var lifetime: Duration?
            while let field = try reader.field() {
                switch field.tag {
                case .expires: lifetime = .milliseconds(try field.time())
                default: try field.skip()
                }
            }
            return .put(key, value: value, expecting: .anything, lifetime: lifetime)
        case .add:
            let key = try Change.recordKey(&reader), step = try reader.text()
            var addition = Addition(key: key, step: step, amount: try reader.amount(), target: try reader.amount())
            while let field = try reader.field() {
                switch field.tag {
                case .expires: addition.lifetime = .milliseconds(try field.time())
                case .onFinal: addition.then = try decode(field.value, depth: depth + 1).map(\.operation)
                default: try field.skip()
                }
            }
            return .add(addition)
        case .cancel: return .cancel(JobID(try reader.text()))
        }
    }

    private static func message(_ reader: inout RecordReader, _ depth: Int) throws(RecordError) -> NewMessage {
        guard let queue = try? QueueName(try reader.text()) else { throw .malformed("a queue name that is none") }
        let priority = Int(try reader.get(UInt8.self))
        var message = NewMessage(queue: queue, payload: Content(Bytes(Array(try reader.slice()))), priority: priority)
        while let field = try reader.field() {
            switch field.tag {
            case .contentType: message.payload.type = try field.text()
            case .name: message.name = try field.text()
            case .headers: message.headers = try field.headers()
            case .due: message.start = .after(.milliseconds(try field.time()))
            case .dueAt: message.start = .at(Timestamp(milliseconds: try field.time()))
            case .expires: message.expires = .milliseconds(try field.time())
            case .timeout: message.timeout = .milliseconds(try field.time())
            case .maxAttempts: message.maxAttempts = Int(try field.integer(UInt16.self))
            case .key: message.deduplication = .init(key: try field.text())
            case .fingerprint: message.deduplication?.fingerprint = try field.integer()
            case .group: message.group = try field.text()
            case .claim: message.claim = try field.text()
            case .transient: message.isTransient = try field.integer(UInt8.self) != 0
            case .onFinal: message.onFinal = try decode(field.value, depth: depth + 1)
            default: try field.skip()
            }
        }
        return message
    }
}

extension RecordReader {
    /// What a step counts, or what a counter counts up to.
    mutating func amount() throws(RecordError) -> Int {
        let amount = try variable()
        guard amount <= UInt64(Limits.counterTarget) else { throw .malformed("a count out of range") }
        return Int(amount)
    }
}
