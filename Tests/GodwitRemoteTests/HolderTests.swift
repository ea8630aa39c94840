import GodwitCore
import GodwitWire
import HTTPTestSupport
import Testing

@testable import GodwitRemote

@Suite("A holder on a server", .timeLimit(.minutes(2)))
struct HolderTests {
    private func open(_ broker: RemoteBroker, _ id: String = "h") async throws -> any Holder {
        try await broker.open(HolderOptions(id: HolderID(id), queues: [try .work], capacity: 10, isEmbedded: false))
    }

    @Test("what an answer was on its way for is no part of a lease any more, what the server waited for a job is")
    func age() async throws {
        try await RemoteFixture.serveThroughProxy { broker, proxy, _ in
            let holder = try await open(broker)
            _ = try await broker.commit(try Operation.enqueue("1"))
            proxy.arm(.slowly(.milliseconds(600), pieces: 100_000), at: "/v1/leases")
            let late = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(20)), wait: .seconds(10)).first)
            #expect(late.remaining <= .milliseconds(19_400) && late.remaining > .seconds(10))

            let waiting = Task { try await holder.lease(max: 1, term: .fixed(.seconds(20)), wait: .seconds(50)).first }
            try await eventually { proxy.passed("POST /v1/leases") == 2 }
            // The server waits for so long, and the lease does not begin before.
            try await Task.sleep(for: .seconds(3))
            _ = try await broker.commit(try Operation.enqueue("2"))
            let waited = try #require(try await waiting.value)
            #expect(waited.remaining > .milliseconds(17_500))
        }
    }

    /// Renews so many leases where each request is answered as a script says.
    private func renew(_ count: Int, _ script: @escaping @Sendable (Int, RenewRequest) -> [UInt8]?) async throws -> [RenewalOutcome] {
        let requests = Counter()
        let answers: ScriptedServer.Script = { request in
            (try? Wire.decodeRenew(Bytes(request.body))).flatMap { script(requests.next(), $0) }
        }
        var outcomes: [RenewalOutcome] = []
        try await ScriptedServer.run(answers) { server in
            let broker = try RemoteBroker(RemoteConfiguration(url: ServerURL(server.url)), logger: TestServer.logger)
            outcomes = try await open(broker).renew((0..<count).map { Renewal(LeaseToken("\($0)")) })
            await broker.close()
            #expect(server.requests("POST /v1/leases/renew").count == 3)
        }
        return outcomes
    }

    private static func good(_ request: RenewRequest) -> [UInt8] {
        // Each has an outcome of its own: what its token says.
        let outcomes = request.renewals.map { RenewalOutcome.good(remaining: .milliseconds(Int64($0.token.description) ?? -1)) }
        return ScriptedServer.answer("200 OK", type: WireFormat.mediaType, Wire.encode(outcomes))
    }

    @Test("many leases are renewed a thousand at a time, each with its own outcome")
    func manyRenewals() async throws {
        let outcomes = try await renew(2_500) { _, request in request.renewals.count <= 1_000 ? Self.good(request) : nil }
        #expect(outcomes == (0..<2_500).map { RenewalOutcome.good(remaining: .milliseconds($0)) })
    }

    @Test("when a later part fails, what is known of the earlier ones is not lost, and the rest is asked for again")
    func laterPart() async throws {
        let outcomes = try await renew(3_500) { number, request in
            number < 3 ? Self.good(request) : ScriptedServer.answer("500 Internal Server Error")
        }
        #expect(outcomes.count == 3_500)
        #expect(Array(outcomes.prefix(2_000)) == (0..<2_000).map { RenewalOutcome.good(remaining: .milliseconds($0)) })
        #expect(outcomes.dropFirst(2_000).allSatisfy { $0 == .unreachable })
    }

    @Test("a holder does not wait long for a server that does not answer when it is closed; nor does a client for what is on its way")
    func closing() async throws {
        try await ScriptedServer.run { server in
            try await RemoteFixture.run(server.url) {
                $0.closeTimeout = .milliseconds(300)
            } _: { broker in
                let start = ContinuousClock.now
                let error = await #expect(throws: BrokerError.self) { try await open(broker).close() }
                #expect(error?.code == .unavailable)
                let commit = Task { try await broker.commit(try Operation.enqueue("1")) }
                try await eventually { server.requests("POST /v1/commit").count == 1 }
                await broker.close()
                let unknown = await #expect(throws: BrokerError.self) { try await commit.value }
                #expect(unknown?.code == .outcomeUnknown)
                #expect(ContinuousClock.now - start < .seconds(10))
            }
        }
    }
}
