import GodwitCore

// Words of the vocabulary as numbers. The place in its list is what stands in a frame: lists only grow at their end.

private let states: [JobState] = [.scheduled, .queued, .running, .retrying, .succeeded, .failed, .cancelled, .expired]
private let reasons: [DeathReason] = [.rejected, .maxAttempts, .maxDeliveries, .expired, .dropped]
private let overflows: [QueueSettings.Overflow] = [.reject, .dropOldest]
/// Media types that need not be spelled out.
private let types = [Content.json, Content.binary, Content.text]

extension FrameWriter {
    private mutating func word<Word: Equatable>(_ word: Word, of words: [Word]) {
        // What is in no list is said by a number that no reader knows: it refuses, and nobody takes it for another word.
        byte(words.firstIndex(of: word).map { UInt8($0) } ?? 0xff)
    }

    mutating func state(_ state: JobState) { word(state, of: states) }
    mutating func reason(_ reason: DeathReason) { word(reason, of: reasons) }
    mutating func overflow(_ overflow: QueueSettings.Overflow) { word(overflow, of: overflows) }

    mutating func content(_ content: Content) {
        let place = types.firstIndex { $0.hasSameBytes(as: content.type) }
        byte(place.map { UInt8($0 + 1) } ?? 0)
        if place == nil { text(content.type) }
        blob(content.bytes)
    }

    mutating func queue(_ name: QueueName) { text(name.description) }
    mutating func job(_ id: JobID) { text(id.description) }

    mutating func key(_ key: RecordKey) {
        switch key.home {
        case .own: byte(0)
        case .queue(let name):
            byte(1)
            queue(name)
        case .job(let id):
            byte(2)
            job(id)
        }
        text(key.name)
    }

    mutating func expectation(_ expectation: Expectation) {
        switch expectation {
        case .anything: byte(0)
        case .absent: byte(1)
        case .version(let version):
            byte(2)
            number(version.number)
        }
    }

    mutating func headers(_ headers: [Header]) {
        count(headers.count)
        for header in headers {
            text(header.name)
            text(header.value)
        }
    }
}

extension FrameReader {
    private mutating func word<Word>(of words: [Word], _ what: String) throws(WireError) -> Word {
        let place = Int(try byte())
        guard place < words.count else {
            throw WireError(.unknown, "\(what) \(place) is not known here: the other side is newer, or wrong", offset: offset)
        }
        return words[place]
    }

    mutating func state() throws(WireError) -> JobState { try word(of: states, "the state") }
    mutating func reason() throws(WireError) -> DeathReason { try word(of: reasons, "the reason of death") }
    mutating func overflow() throws(WireError) -> QueueSettings.Overflow { try word(of: overflows, "the overflow policy") }

    mutating func content() throws(WireError) -> Content {
        let place = Int(try byte())
        guard place <= types.count else {
            throw WireError(.unknown, "the media type \(place) is not known here: the other side is newer, or wrong", offset: offset)
        }
        let type = place == 0 ? try text() : types[place - 1]
        return Content(try blob(), type: type)
    }

    mutating func queue() throws(WireError) -> QueueName {
        let text = try text()
        do throws(BrokerError) { return try QueueName(text) } catch { throw unacceptable(error.message) }
    }

    mutating func job() throws(WireError) -> JobID { JobID(try text()) }

    mutating func key() throws(WireError) -> RecordKey {
        let home: RecordKey.Home
        switch try byte() {
        case 0: home = .own
        case 1: home = .queue(try queue())
        case 2: home = .job(try job())
        case let other: throw WireError(.unknown, "a record's home \(other) is not known here", offset: offset)
        }
        return RecordKey(try text(), home: home)
    }

    mutating func expectation() throws(WireError) -> Expectation {
        switch try byte() {
        case 0: return .anything
        case 1: return .absent
        case 2: return .version(Version(try number()))
        case let other: throw WireError(.unknown, "the expectation \(other) is not known here", offset: offset)
        }
    }

    mutating func headers() throws(WireError) -> [Header] {
        let count = try count(least: 2)
        guard count > 0 else { return [] }
        var headers: [Header] = []
        headers.reserveCapacity(count)
        for _ in 0..<count { headers.append(Header(name: try text(), value: try text())) }
        return headers
    }
}
