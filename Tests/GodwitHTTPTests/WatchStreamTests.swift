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

    @Test("all streams together are bounded, and what ends gives its places back")
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
        let problem = #expect(throws: Problem.self) { try late.watch(0, missing, wait: .seconds(600)) }
        #expect(problem?.code == "busy")
        streams[0].unwatch(5)
        try late.watch(1, missing, wait: .seconds(600))
        #expect(throws: Problem.self) { try late.watch(2, missing, wait: .seconds(600)) }
        // What was answered but is not read yet counts, too; closing gives back what still waits.
        streams[1].close()
        for number in 0..<99 { try late.watch(UInt64(10 + number), missing, wait: .seconds(600)) }
        try late.watch(999, missing, wait: .seconds(600))
        guard case .events(let events) = await late.next(), case .refused(999, let full)? = events.first else {
            throw TestFailure("a watch more than a stream may have was not refused")
        }
        #expect(full.code == .busy)
        #expect(hub.stream(streams[1].id) == nil)
        #expect(throws: Problem.self) { try streams[1].watch(0, missing, wait: .zero) }
        for stream in streams + [late] { stream.drop() }
        await broker.close()
    }
}
