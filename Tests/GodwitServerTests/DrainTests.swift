import GodwitCore
import HTTPTestSupport
import ServiceLifecycle
import Testing

@testable import GodwitServer

@Suite("The end of a server", .timeLimit(.minutes(1)))
struct DrainTests {
    @Test("a drain is over after its time, and before when nobody was there for a moment")
    func timing() {
        let start = ContinuousClock.now
        /// Whether it is over at the last of some looks, each so many tenths of a second after the start.
        func isOver(_ looks: [(tenths: Int, isDeserted: Bool)], longest: Duration = .seconds(5)) -> Bool {
            var timing = DrainTiming(began: start, longest: longest)
            var isOver = false
            for look in looks { isOver = timing.isOver(now: start + .milliseconds(100 * look.tenths), isDeserted: look.isDeserted) }
            return isOver
        }
        #expect(!isOver([(0, true)]))
        #expect(!isOver([(0, true), (1, true)]))
        #expect(isOver([(0, true), (1, true), (2, true)]))
        #expect(!isOver([(0, true), (1, false), (2, true), (3, true)]), "somebody came")
        #expect(isOver([(0, true), (1, false), (2, true), (3, true), (4, true)]))
        #expect(!isOver([(0, false), (49, false)]))
        #expect(isOver([(0, false), (50, false)]))
        #expect(isOver([(0, false)], longest: .zero))
        #expect(DrainTiming(began: start, longest: .seconds(5)).left(now: start + .seconds(4)) == .seconds(1))
    }

    @Test("nobody there and nothing running: the server does not wait")
    func deserted() async throws {
        let stopping = try await StoppingServer.start(drain: .seconds(60))
        _ = try await stopping.client.publish("q", "1")
        await stopping.group.triggerGracefulShutdown()
        try await stopping.end()
    }

    @Test("while a job runs, new connections can renew and settle it, and then the server ends")
    func settling() async throws {
        let stopping = try await StoppingServer.start(drain: .seconds(60))
        let client = stopping.client
        _ = try await client.publish("q", "1")
        let lease = try #require(try await client.lease("q", query: "?lease=1m")["lease"].string)
        // An old one, too: it was open before, and is closed after its next answer.
        let old = try await client.connect()
        try await old.request("GET", "/healthz")
        #expect(try await old.reply().status == 200)
        await stopping.group.triggerGracefulShutdown()
        try await client.eventually { try await client.get("/readyz").status == 503 }
        let refused = try await client.post("/v1/queues/q/jobs", "1")
        #expect(refused.status == 503 && refused["retry-after"] == "1")
        let unleased = try await client.post("/v1/queues/q/leases")
        #expect(unleased.status == 503 && unleased["retry-after"] == "1")
        // Longer than the calm that ends a drain: somebody is there.
        try await Task.sleep(for: Drain.calm * 2)
        let renewed = try await client.post("/v1/leases/renew", #"{"renewals": [{"lease": "\#(lease)", "lease_time": "1m"}]}"#)
        #expect(renewed.status == 200 && !renewed.text.contains("error"), "\(renewed.text)")
        try await old.request(
            "POST",
            "/v1/leases/\(lease)/complete",
            headers: [("Content-Type", "application/json")],
            body: Array("1".utf8)
        )
        let settled = try await old.reply(to: "POST")
        #expect(settled.status == 200 && settled["connection"] == "close")
        try await old.close()
        try await stopping.end()
    }

    @Test("a client that stands there is waited for as long as was said")
    func standing() async throws {
        let stopping = try await StoppingServer.start(drain: .milliseconds(700))
        let connection = try await stopping.client.connect()
        try await connection.request("GET", "/healthz")
        #expect(try await connection.reply().status == 200)
        let start = ContinuousClock.now
        await stopping.group.triggerGracefulShutdown()
        try await stopping.end()
        #expect(start.duration(to: .now) >= .milliseconds(700))
        try await connection.close()
    }
}
