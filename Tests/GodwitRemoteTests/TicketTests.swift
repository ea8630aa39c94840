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
