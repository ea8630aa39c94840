import Testing

@testable import GodwitCore

@Suite("Queue names")
struct QueueNameTests {
    @Test("are any UTF-8 of 1 to 200 bytes", arguments: ["a", "mails", "größe/🐦", String(repeating: "ü", count: 100)])
    func accepts(name: String) throws {
        #expect(try QueueName(name).description == name)
    }

    @Test(
        "that are empty, too long or hold control characters are refused by field",
        arguments: ["", "a\nb", "a\u{0}", "\u{85}", String(repeating: "ü", count: 101)]
    )
    func refuses(name: String) {
        let error = #expect(throws: BrokerError.self) { try QueueName(name) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.field == "queue")
    }
}

@Suite("Fingerprints")
struct FingerprintTests {
    private let message: NewMessage
    init() throws { message = NewMessage(queue: try QueueName("q"), payload: Content(Bytes("{\"a\":1}")), name: "n") }

    @Test("are equal for equal requests, whatever their headers, key and queue")
    func equal() throws {
        var same = message
        same.headers = [Header(name: "traceparent", value: "00-1-2-01")]
        same.deduplication = .init(key: "k")
        same.queue = try QueueName("other")
        #expect(same.fingerprint == message.fingerprint)
    }

    @Test("differ by name, content type, payload and each option")
    func different() {
        var variants: [NewMessage] = []
        func vary(_ change: (inout NewMessage) -> Void) {
            var copy = message
            change(&copy)
            variants.append(copy)
        }
        vary { $0.name = nil }
        vary { $0.name = "m" }
        vary { $0.payload.type = "text/plain" }
        vary { $0.payload.bytes = Bytes("{\"a\":2}") }
        vary { $0.payload.bytes = Bytes("{\"a\":1} and more than eight") }
        vary { $0.start = .after(.seconds(1)) }
        vary { $0.start = .at(Timestamp(milliseconds: 1_000)) }
        vary { $0.priority = 1 }
        vary { $0.expires = .seconds(1) }
        vary { $0.timeout = .seconds(1) }
        vary { $0.maxAttempts = 1 }
        let all = Set(variants.map(\.fingerprint) + [message.fingerprint])
        #expect(all.count == variants.count + 1)
    }

    @Test("stay the same between versions, since they are stored")
    func golden() {
        #expect(message.fingerprint == 1_212_044_986_102_728_490)
    }
}

@Suite("Queue settings")
struct QueueSettingsTests {
    @Test("the defaults are good")
    func defaults() throws { try QueueSettings().validate() }

    @Test("a value out of range names its setting")
    func refuses() {
        func field(_ change: (inout QueueSettings) -> Void) -> String? {
            var settings = QueueSettings()
            change(&settings)
            do throws(BrokerError) { try settings.validate() } catch { return error.code == .invalidArgument ? error.field : nil }
            return nil
        }
        #expect(field { $0.maxJobs = 0 } == "max_jobs")
        #expect(field { $0.maxBytes = -1 } == "max_bytes")
        #expect(field { $0.maxAttempts = 1_001 } == "max_attempts")
        #expect(field { $0.lease = .milliseconds(99) } == "lease")
        #expect(field { $0.dedupWindow = .zero } == "dedup_window")
        #expect(field { $0.dedupMax = -1 } == "dedup_max")
        #expect(field { $0.retention = .keep(succeeded: .seconds(-1), failed: .zero, count: 1) } == "retention.succeeded")
        #expect(field { $0.retention = .keep(succeeded: .zero, failed: .seconds(-1), count: 1) } == "retention.failed")
        #expect(field { $0.retention = .keep(succeeded: .zero, failed: .zero, count: -1) } == "retention.count")
    }
}

@Suite("Bytes")
struct BytesTests {
    @Test("a slice shares its owner and compares by content")
    func slices() {
        let owner: [UInt8] = Array("hello world".utf8)
        let word = Bytes(owner[6...])
        #expect(word.text == "world")
        #expect(word.count == 5)
        #expect(word == Bytes("world"))
        #expect(word.withUnsafeBytes { $0.count } == 5)
    }

    @Test("what is not UTF-8 has no text")
    func invalid() { #expect(Bytes([0xff, 0x41]).text == nil) }

    @Test("an error thrown while they are looked at keeps its type")
    func typed() {
        #expect(throws: BrokerError.self) { try Bytes("x").withUnsafeBytes { (_) throws(BrokerError) in throw BrokerError.staleLease } }
    }
}

@Suite("Counts")
struct CountsTests {
    @Test("each state has its own, and unfinished adds up those that are not final")
    func counts() {
        var counts = QueueStatus.Counts()
        for (index, state) in JobState.allCases.enumerated() { counts[state] = 1 << index }
        for (index, state) in JobState.allCases.enumerated() { #expect(counts[state] == 1 << index) }
        #expect(counts.unfinished == JobState.allCases.filter { !$0.isFinal }.reduce(0) { $0 + counts[$1] })
    }
}
