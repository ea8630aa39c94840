import GodwitCore
import GodwitHTTP
import GodwitWire
import HTTPTestSupport
import Testing

@Suite("Commits while the server stops")
struct CommitDrainTests {
    private func run(_ test: @Sendable @escaping (TestServer, Latch) async throws -> Void) async throws {
        let draining = Latch()
        try await MountedRoutes.run { broker in
            JobRoutes(broker: broker, serving: Set(JobRoutes.Action.allCases), draining: draining)
        } _: {
            try await test($0, draining)
        }
    }

    @Test("what settles is carried out with what follows it, what only makes work is busy")
    func drain() async throws {
        try await run { server, draining in
            _ = try await server.commit([try .job("a"), try .job("a"), try .job("a")], at: "/commit")
            let holder = try await server.broker.open(
                HolderOptions(id: HolderID("h"), queues: [try QueueName("a")], capacity: 9, isEmbedded: false)
            )
            let leases = try await holder.lease(max: 3, term: .queue, wait: .zero)
            draining.set()
            let follow = try Transaction.job("b").operations
            for (index, session) in [nil, SessionCommit(id: "s", number: 1)].enumerated() {
                let outcomes = try await server.commit(
                    [
                        try .job("c"), Transaction([.complete(leases[index].token, result: nil)] + follow),
                        Transaction(.add(Addition(key: .counter("c"), step: "1", target: 1))), Transaction(.cancel(JobID("x"))),
                        Transaction([.put(RecordKey("r"), value: "1", expecting: .anything, lifetime: nil)] + follow),
                    ],
                    in: session,
                    at: "/commit"
                )
                #expect(outcomes.map { $0.error?.code } == [.busy, nil, .busy, .jobNotFound, .busy])
                #expect(outcomes[0].error?.retryAfter == .seconds(1))
                guard case .aborted(operation: 1, _) = outcomes[4] else { throw TestFailure("\(outcomes[4])") }
            }
            let queues = try await server.broker.queues()
            #expect(queues.map(\.name.description) == ["a", "b"])
            #expect(queues[1].counts.queued == 2)
            #expect(try await server.broker.read([RecordKey("r")])[0] == nil)

            let json = #"{"transactions": [{"operations": [{"enqueue": {"queue": "c", "payload": 1}}]}]}"#
            let reply = try await server.post("/commit", json)
            #expect(reply.status == 200)
            #expect(try reply.json["outcomes"][0]["status"].int == 503)
            #expect(try reply.json["outcomes"][0]["error"]["code"].string == "busy")
            #expect(try reply.json["outcomes"][0]["error"]["retry_after_ms"].int == 1_000)
        }
    }

    @Test("what was done before the drain is answered as the first time, and what is no longer known is said to be so")
    func repeats() async throws {
        try await run { server, draining in
            var session = SessionCommit(id: "s", number: 1)
            let transactions = [try Transaction.job("a"), try .job("b")]
            let first = try await server.commit(transactions, in: session, at: "/commit")
            draining.set()
            session.isRepeat = true
            let again = try await server.commit(transactions + [try .job("c")], in: session, at: "/commit")
            #expect(again[0].results == first[0].results && again[1].results == first[1].results)
            #expect(again[2].error?.code == .busy)
            let lost = try await server.commit(transactions, in: SessionCommit(id: "lost", number: 9, isRepeat: true), at: "/commit")
            #expect(lost.map { $0.error?.code } == [.outcomeUnknown, .outcomeUnknown])
            #expect(try await server.broker.queues().map(\.counts.queued) == [1, 1])
        }
    }

    @Test("leases and streams are refused, renewals and reads are answered")
    func others() async throws {
        try await run { server, draining in
            _ = try await server.commit([try .job("a")], at: "/commit")
            let holder = try await server.broker.open(
                HolderOptions(id: HolderID("h"), queues: [try QueueName("a")], capacity: 9, isEmbedded: false)
            )
            let lease = try await holder.lease(max: 1, term: .queue, wait: .zero)[0]
            draining.set()
            let leases = try await server.frames("/leases", Wire.encode(LeaseRequest.of("a")), headers: [("Accept", WireFormat.mediaType)])
            #expect(leases.status == 503)
            #expect(leases["retry-after"] == "1")
            let error = try Wire.decodeError(Bytes(leases.body))
            #expect(error.code == .busy && error.retryAfter == .seconds(1))
            #expect(try await server.get("/watch", headers: [("Accept", WireFormat.mediaType)]).status == 503)
            #expect(try await server.frames("/watch/s", Wire.encode([WatchRequest]())).status == 503)
            let renewed = try await server.frames(
                "/leases/renew",
                Wire.encode(RenewRequest(holder: HolderID("h"), renewals: [Renewal(lease.token)]))
            )
            guard case .good = try Wire.decodeRenewals(Bytes(renewed.body))[0] else { throw TestFailure(renewed.text) }
            let answer = try await server.calls([.jobs([lease.job.id])], at: "/calls")[0]
            guard case .jobs(let jobs) = answer else { throw TestFailure("\(answer)") }
            #expect(jobs[0].snapshot?.state == .running)
        }
    }
}
