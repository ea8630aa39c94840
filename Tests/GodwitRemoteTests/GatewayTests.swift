import GodwitCore
import GodwitWire
import Testing

@testable import GodwitRemote

/// What stands between a client and a server may answer in the server's place.
@Suite("Gateways that answer themselves", .timeLimit(.minutes(2)))
struct GatewayTests {
    private static let page = Array("<html>nothing is here</html>".utf8)

    private static func committed(_ request: ScriptedServer.Request) -> [UInt8] {
        let count = (try? Wire.decodeCommit(Bytes(request.body)).transactions.count) ?? 0
        let outcomes = [TransactionOutcome](repeating: .committed([.deleted]), count: count)
        return ScriptedServer.answer("200 OK", type: WireFormat.mediaType, Wire.encode(outcomes))
    }

    /// The first request of all is the server's, the second meets a gateway's own answer, the others are the server's.
    private static func script(_ status: String) -> ScriptedServer.Script {
        let count = Counter()
        return { request in
            count.next() == 2 ? ScriptedServer.answer(status, type: "text/html", page) : committed(request)
        }
    }

    @Test(
        "a commit that met one is repeated with its number, for it may have been carried out",
        arguments: ["503 Service Unavailable", "404 Not Found", "405 Method Not Allowed", "302 Found", "200 OK"]
    )
    func repetition(_ status: String) async throws {
        try await ScriptedServer.run(Self.script(status)) { server in
            try await RemoteFixture.run(server.url) { broker in
                _ = try await broker.commit(try Operation.enqueue("1"))
                #expect(try await broker.commit(try Operation.enqueue("2")) == .deleted)
            }
            let sessions = try server.requests("POST /v1/commit").map { try Wire.decodeCommit(Bytes($0.body)).session }
            #expect(sessions.map { $0?.number } == [1, 2, 2])
            #expect(sessions.map { $0?.isRepeat } == [false, false, true])
        }
    }

    @Test("an act that met one is not done again, and nobody says whether it was")
    func acts() async throws {
        let count = Counter()
        let script: ScriptedServer.Script = { _ in
            count.next() == 1
                ? ScriptedServer.answer("200 OK", type: WireFormat.mediaType, Wire.encode([CallAnswer.done]))
                : ScriptedServer.answer("503 Service Unavailable", type: "text/html", Self.page)
        }
        try await ScriptedServer.run(script) { server in
            try await RemoteFixture.run(server.url) { broker in
                try await broker.check()
                let error = await #expect(throws: BrokerError.self) { try await broker.purge(.work) }
                #expect(error?.code == .outcomeUnknown)
            }
            #expect(server.requests("POST /v1/calls").count == 2)
        }
    }

    @Test("where no server ever answered, a page of somebody else's says that the URL is wrong")
    func wrongURL() async throws {
        try await ScriptedServer.run({ _ in ScriptedServer.answer("404 Not Found", type: "text/html", Self.page) }) { server in
            try await RemoteFixture.run(server.url) { broker in
                let error = await #expect(throws: BrokerError.self) { try await broker.commit(try Operation.enqueue("1")) }
                #expect(error?.code == .unsupportedURL && error?.field == "url")
            }
        }
    }
}
