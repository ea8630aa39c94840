import GodwitCore

/// What of a message is there: one bit each.
private enum Present {
    static let name: UInt64 = 1, delay: UInt64 = 2, time: UInt64 = 4, priority: UInt64 = 8, expires: UInt64 = 16, timeout: UInt64 = 32
    static let maxAttempts: UInt64 = 64, key: UInt64 = 128, fingerprint: UInt64 = 256, group: UInt64 = 512, claim: UInt64 = 1_024
    static let transient: UInt64 = 2_048, headers: UInt64 = 4_096, onFinal: UInt64 = 8_192
    static let all: UInt64 = 16_383
}

extension NewMessage {
    fileprivate var present: UInt64 {
        var present: UInt64 = 0
        if name != nil { present |= Present.name }
        switch start {
        case .now: break
        case .after: present |= Present.delay
        case .at: present |= Present.time
        }
        if priority != 0 { present |= Present.priority }
        if expires != nil { present |= Present.expires }
        if timeout != nil { present |= Present.timeout }
        if maxAttempts != nil { present |= Present.maxAttempts }
        if let deduplication { present |= deduplication.fingerprint == nil ? Present.key : Present.key | Present.fingerprint }
        if group != nil { present |= Present.group }
        if claim != nil { present |= Present.claim }
        if isTransient { present |= Present.transient }
        if !headers.isEmpty { present |= Present.headers }
        if !onFinal.isEmpty { present |= Present.onFinal }
        return present
    }
}

extension FrameWriter {
    /// Its past does not travel: whoever brings jobs of another store uses the import.
    mutating func message(_ message: NewMessage) {
        let frame = begin(Kind.enqueue)
        number(message.present)
        queue(message.queue)
        content(message.payload)
        if let name = message.name { text(name) }
        switch message.start {
        case .now: break
        case .after(let delay): duration(delay)
        case .at(let time): self.time(time)
        }
        if message.priority != 0 { signed(Int64(message.priority)) }
        if let expires = message.expires { duration(expires) }
        if let timeout = message.timeout { duration(timeout) }
        if let maxAttempts = message.maxAttempts { signed(Int64(maxAttempts)) }
        if let deduplication = message.deduplication {
            text(deduplication.key)
            if let fingerprint = deduplication.fingerprint { number(fingerprint) }
        }
        if let group = message.group { text(group) }
        if let claim = message.claim { text(claim) }
        if !message.headers.isEmpty { headers(message.headers) }
        if !message.onFinal.isEmpty {
            count(message.onFinal.count)
            for followUp in message.onFinal { self.followUp(followUp) }
        }
        end(frame)
    }

    private mutating func followUp(_ followUp: FollowUp) {
        let frame = begin(Kind.followUp)
        byte(followUp.when.rawValue)
        operation(followUp.operation)
        end(frame)
    }
}

extension FrameReader {
    mutating func message() throws(WireError) -> NewMessage {
        let present = try number()
        guard present & ~Present.all == 0 else {
            throw WireError(.unknown, "a message has options that are not known here: the other side is newer", offset: offset)
        }
        guard present & (Present.delay | Present.time) != Present.delay | Present.time else {
            throw damaged("a message starts after a delay and at a time: one of them is possible")
        }
        guard present & (Present.key | Present.fingerprint) != Present.fingerprint else {
            throw damaged("a message has a fingerprint and no key that it could belong to")
        }
        let queue = try queue()
        var message = NewMessage(queue: queue, payload: try content())
        if present & Present.name != 0 { message.name = try text() }
        if present & Present.delay != 0 { message.start = .after(try duration()) }
        if present & Present.time != 0 { message.start = .at(try time()) }
        if present & Present.priority != 0 { message.priority = try whole() }
        if present & Present.expires != 0 { message.expires = try duration() }
        if present & Present.timeout != 0 { message.timeout = try duration() }
        if present & Present.maxAttempts != 0 { message.maxAttempts = try whole() }
        if present & Present.key != 0 {
            message.deduplication = NewMessage.Deduplication(key: try text())
            if present & Present.fingerprint != 0 { message.deduplication?.fingerprint = try number() }
        }
        if present & Present.group != 0 { message.group = try text() }
        if present & Present.claim != 0 { message.claim = try text() }
        message.isTransient = present & Present.transient != 0
        if present & Present.headers != 0 { message.headers = try headers() }
        if present & Present.onFinal != 0 { message.onFinal = try followUps() }
        return message
    }

    private mutating func followUps() throws(WireError) -> [FollowUp] {
        let count = try count(least: WireFormat.frameHeaderBytes, weight: WireFormat.itemsOfOperation)
        var followUps: [FollowUp] = []
        followUps.reserveCapacity(count)
        for _ in 0..<count {
            let frame = try open(Kind.followUp)
            let when = FinalStates(rawValue: try byte())
            // Whether there are such ends is not for the whole document to fail on: whoever carries it out says so of the one transaction.
            followUps.append(FollowUp(try operation(), when: when))
            close(frame)
        }
        return followUps
    }
}
