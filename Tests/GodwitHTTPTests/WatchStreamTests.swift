import GodwitCore
import GodwitServer
import GodwitWire
import HTTPTestSupport
import Testing

@testable import GodwitHTTP

@Suite("Bounds of an event stream")
struct WatchStreamTests {
    private let hub = WatchHub()

    private func put(_ broker: any Broker, _ key: RecordKey, bytes: Int) async throws {
        _ = try await broker.commit(.put(key, value: Bytes([UInt8](repeating: 7, count: bytes)), expecting: .anything, lifetime: nil))
    }

    /// Everything that is ready, as it is held.
    private func events(_ stream: WatchStream, _ count: Int) async throws -> [WatchStream.Event] {
        var events: [WatchStream.Event] = []
        while events.count < count {
            guard case .events(let more) = await stream.next() else { throw TestFailure("no more events") }
            events += more
        }
        return events
    }

    @Test("of what a client does not read little is held: the rest is read when its turn comes")
    func unread() async throws {
        let broker = try await TestServer.engine()
        let stream = hub.openStream(on: broker)
        let count = 200, bytes = 20_000
        for index in 0..<count {
            let key = RecordKey("r\(index)")
            try await put(broker, key, bytes: bytes)
            try stream.watch(UInt64(index), .record(key, known: nil), wait: .seconds(60))
        }
        // All have changed before the first is read; the one that changes again is read as it is then.
        let changed = RecordKey("r\(count - 1)")
        var events: [WatchStream.Event] = []
        try await TestServer(broker: broker, address: .init(host: "", port: 0)).eventually { stream.readyCount == count }
        try await put(broker, changed, bytes: 1)
        events = try await self.events(stream, count)
        let held = events.reduce(0) { if case .answered(_, .record(let record?)) = $1 { $0 + record.value.count } else { $0 } }
        #expect(held > 0 && held <= 64 << 10)
        var sizes: [UInt64: Int] = [:]
        for event in events {
            guard case .answered(let number, .record(let record?)) = await stream.written(event) else { throw TestFailure("\(event)") }
            sizes[number] = record.value.count
        }
        #expect(sizes.count == count)
        #expect(sizes.values.count { $0 == bytes } >= count - 1)
        stream.drop()
        await broker.close()
    }

    @Test("refusals that nobody reads are bounded: then the request itself is busy")
    func refusals() async throws {
        let broker = try await TestServer.engine()
        let stream = hub.openStream(on: broker)
        for number in 0..<1_000 { try stream.refuse(UInt64(number), .forbidden) }
        let problem = #expect(throws: Problem.self) { try stream.refuse(1_000, .forbidden) }
        #expect(problem?.code == "busy" && problem?.retryAfter != nil)
        _ = try await events(stream, 64)
        try stream.refuse(1_000, .forbidden)
        stream.drop()
        await broker.close()
    }

    @Test("all streams together are bounded, what is too much is told, and what ends gives its places back")
    func total() async throws {
        let hub = WatchHub(perStream: 100, all: 1_000)
        let broker = try await TestServer.engine()
        let missing = WatchItem.record(RecordKey("none"), known: nil)
        var streams: [WatchStream] = []
        for _ in 0..<10 {
            let stream = hub.openStream(on: broker)
            for number in 0..<100 { try stream.watch(UInt64(number), missing, wait: .seconds(600)) }
            streams.append(stream)
        }
        let late = hub.openStream(on: broker)
        func isRefused(_ number: UInt64) async throws -> Bool {
            try late.watch(number, missing, wait: .seconds(600))
            guard late.readyCount > 0 else { return false }
            guard case .events(let events) = await late.next(), case .refused(number, .full)? = events.first, events.count == 1 else {
                throw TestFailure("something else was told")
            }
            return true
        }
        #expect(try await isRefused(0))
        streams[0].unwatch(5)
        #expect(try await !isRefused(1))
        #expect(try await isRefused(2))
        // What was answered but is not read yet counts, too; closing gives back what still waits.
        streams[1].close()
        for number in 0..<99 { try late.watch(UInt64(10 + number), missing, wait: .seconds(600)) }
        #expect(try await isRefused(999), "more than a stream may have")
        #expect(hub.stream(streams[1].id) == nil)
        #expect(throws: Problem.self) { try streams[1].watch(0, missing, wait: .zero) }
        for stream in streams + [late] { stream.drop() }
        // All places are there again.
        let next = hub.openStream(on: broker)
        for number in 0..<100 { try next.watch(UInt64(number), missing, wait: .seconds(600)) }
        #expect(next.readyCount == 0)
        next.drop()
        await broker.close()
    }

    @Test("one token has a quarter of the places, and leaves the others to others")
    func share() async throws {
        let hub = WatchHub(perStream: 100, all: 1_000)
        let broker = try await TestServer.engine()
        let missing = WatchItem.record(RecordKey("none"), known: nil)
        func access(_ name: String) -> Access { .known(Grant(name: name, actions: [.publish])) }
        let greedy = (0..<5).map { _ in hub.openStream(on: broker, for: access("greedy")) }
        for stream in greedy {
            for number in 0..<100 { try stream.watch(UInt64(number), missing, wait: .seconds(600)) }
        }
        #expect(greedy.map(\.readyCount) == [0, 0, 50, 100, 100])
        let modest = hub.openStream(on: broker, for: access("modest"))
        try modest.watch(1, missing, wait: .seconds(600))
        #expect(modest.readyCount == 0)
        greedy[0].drop()
        let again = hub.openStream(on: broker, for: access("greedy"))
        for number in 0..<100 { try again.watch(UInt64(number), missing, wait: .seconds(600)) }
        #expect(again.readyCount == 0)
        for stream in greedy + [modest, again] { stream.drop() }
        await broker.close()
    }

    @Test("a watch that the broker cannot have is refused, and nothing of it is kept")
    func longKeys() async throws {
        let broker = try await TestServer.engine()
        let stream = hub.openStream(on: broker)
        let large = RecordKey("r")
        try await put(broker, large, bytes: 1 << 20)
        try stream.watch(0, .record(large, known: nil), wait: .seconds(60))
        try await TestServer(broker: broker, address: .init(host: "", port: 0)).eventually { stream.readyCount == 1 }
        let key = RecordKey(String(repeating: "k", count: 1 << 20))
        try stream.watch(1, .record(key, known: nil), wait: .seconds(60))
        try stream.watch(2, .job(JobID(key.name), known: nil), wait: .seconds(60))
        let events = try await events(stream, 3)
        for event in events[1...] {
            guard case .failed(let number, let error) = event else { throw TestFailure("\(event)") }
            #expect(error.code == (number == 1 ? .invalidArgument : .jobNotFound))
            #expect(error.message.utf8.count < 300)
        }
        stream.drop()
        await broker.close()
    }
}
