import GodwitCore
import HTTPTestSupport
import ServiceLifecycle
import Synchronization
import Testing

@testable import GodwitPage

@Suite("Pages that are kept up to date", .serialized)
struct LiveTests {
    private static let live = [("Accept", "text/event-stream")]

    @Test("a page that is looked at live says what has changed, at once for a job")
    func live() async throws {
        try await TestServer.run { server in
            let id = try await server.publish("mail")
            let connection = try await server.connect()
            try await connection.request("GET", "/page/job?id=\(id)", headers: Self.live)
            let head = try await connection.head()
            #expect(head.status == 200)
            #expect(head["content-type"] == "text/event-stream")
            let first = String(decoding: try #require(try await connection.chunk()), as: UTF8.self)
            #expect(first.hasPrefix("event: part\ndata: "))
            #expect(first.hasSuffix("\n\n"))
            #expect(first.contains("state queued"))
            _ = try await server.lease("mail")
            let second = String(decoding: try #require(try await connection.chunk()), as: UTF8.self)
            #expect(second.contains("state running"))
            // What a page is made of around that part is not sent again.
            #expect(!second.contains("<html"))
        }
    }

    @Test("a live page ends when the server stops", arguments: ["/page/job?id=", "/page"])
    func stops(path: String) async throws {
        let stopping = try await StoppingServer.start(drain: .milliseconds(20))
        let client = stopping.client
        let id = try await client.publish("mail")
        let connection = try await client.connect()
        try await connection.request("GET", path.hasSuffix("=") ? path + id : path, headers: Self.live)
        _ = try await connection.head()
        #expect(try await connection.chunk() != nil)
        await stopping.group.triggerGracefulShutdown()
        #expect(try await connection.chunk(within: .seconds(5)) == nil)
        try await stopping.end()
    }

    @Test("a broker that cannot be waited for ends no live page: it goes on when the broker does")
    func unwatched() async throws {
        let failures = Mutex(1)
        var broker = HookedBroker(try await TestServer.engine())
        broker.onWatch = { () throws(BrokerError) in
            let fails = failures.withLock { left in
                defer { left = max(0, left - 1) }
                return left > 0
            }
            if fails { throw BrokerError(.unavailable, "it cannot be reached") }
        }
        try await TestServer.run(broker: broker) { server in
            let id = try await server.publish("mail")
            let connection = try await server.connect()
            try await connection.request("GET", "/page/job?id=\(id)", headers: Self.live)
            _ = try await connection.head()
            _ = try await connection.chunk()
            try await server.eventually { failures.withLock { $0 } == 0 }
            _ = try await server.lease("mail")
            #expect(try await connection.chunk().map { String(decoding: $0, as: UTF8.self).contains("state running") } == true)
        }
    }

    @Test("a live page of a job that is gone says so, and that nothing more will come")
    func liveEnd() async throws {
        try await TestServer.run { server in
            let id = try await server.failed("mail")
            let connection = try await server.connect()
            try await connection.request("GET", "/page/job?id=\(id)", headers: Self.live)
            _ = try await connection.head()
            _ = try await connection.chunk()
            _ = try await server.press("/page/do", "do=forget&job=\(id)")
            var last = ""
            while let chunk = try await connection.chunk() { last += String(decoding: chunk, as: UTF8.self) }
            #expect(last.contains("Gone"))
            #expect(last.hasSuffix("event: over\ndata: gone\n\n"))
            // Asked for again, it is the same.
            let again = try await server.get("/page/job?id=\(id)", headers: Self.live)
            #expect(again.status == 200)
            #expect(again.text.hasSuffix("event: over\ndata: gone\n\n"))
        }
    }
}
