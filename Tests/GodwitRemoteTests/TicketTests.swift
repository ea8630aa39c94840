import Foundation
import Godwit
import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("URLs that show one job", .timeLimit(.minutes(1)))
struct TicketTests {
    struct Note: Job { static let name = "note" }

    private static let token = "a-token-of-the-web-process"

    @Test("a browser follows its own job by one, without a token, and no other job")
    func follows() async throws {
        var options = ServerOptions()
        options.token = Self.token
        try await TestServer.run(options) { server in
            let client = try await JobClient.open(server.address.url, token: Self.token, logger: TestServer.logger)
            let job = try await client.enqueue(Note()), other = try await client.enqueue(Note())
            let url = try await job.watchURL(lifetime: .seconds(60)).absoluteString
            #expect(url.hasPrefix(server.address.url + "/v1/jobs/\(job.id)/events?ticket="))
            let path = String(url.dropFirst(server.address.url.count))
            let connection = try await server.connect()
            try await connection.request("GET", path, headers: [("Accept", "text/event-stream")])
            #expect(try await connection.head().status == 200)
            var events = ""
            while !events.contains("queued") { events += String(decoding: try #require(try await connection.chunk()), as: UTF8.self) }
            let stranger = path.replacingOccurrences(of: "\(job.id)", with: "\(other.id)")
            #expect(try await server.get(stranger, headers: [("Accept", "text/event-stream")]).status == 401)
            await client.close()
        }
    }

    @Test("it begins as this client reaches the server, whatever a proxy between them makes of the path")
    func prefix() async throws {
        let ticket = #"{"ticket":"t.1","url":"http://queue.internal/v1/jobs/j/events?ticket=t.1","expires_at":"2026-01-01T00:00:00Z"}"#
        try await ScriptedServer.run({ _ in ScriptedServer.answer("200 OK", type: "application/json", Array(ticket.utf8)) }) { server in
            let client = try await JobClient.open(server.url + "/godwit", logger: TestServer.logger)
            let job = client.handle(for: Note.self, id: JobID("j"))
            #expect(try await job.watchURL().absoluteString == server.url + "/godwit/v1/jobs/j/events?ticket=t.1")
            #expect(server.requests("POST /godwit/v1/jobs/j/ticket").count == 1)
            await client.close()
        }
    }

    @Test("a task that is cancelled while it asks for one does not wait on")
    func cancelled() async throws {
        try await ScriptedServer.run { server in
            let client = try await JobClient.open(server.url, logger: TestServer.logger)
            let asking = Task { try await client.handle(for: Note.self, id: JobID("j")).watchURL() }
            try await eventually { server.requests("POST").count == 1 }
            asking.cancel()
            await #expect(throws: CancellationError.self) { try await asking.value }
            await client.close()
        }
    }

    @Test("a job that is not there, a time that is none and a store without a server are named")
    func refused() async throws {
        try await TestServer.run { server in
            let client = try await JobClient.open(server.address.url, logger: TestServer.logger)
            let job = try await client.enqueue(Note())
            let none = client.handle(for: Note.self, id: JobID("nothing"))
            #expect(await #expect(throws: BrokerError.self) { try await none.watchURL() }?.code == .jobNotFound)
            for lifetime in [Duration.zero, .seconds(604_801)] {
                #expect(await #expect(throws: BrokerError.self) { try await job.watchURL(lifetime: lifetime) }?.field == "lifetime")
            }
            await client.close()
        }
        let embedded = try await JobClient.open("memory:", logger: TestServer.logger)
        let job = try await embedded.enqueue(Note())
        #expect(await #expect(throws: BrokerError.self) { try await job.watchURL() }?.code == .unsupportedURL)
        await embedded.close()
    }
}
