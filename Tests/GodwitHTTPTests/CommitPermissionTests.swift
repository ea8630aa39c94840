import GodwitCore
import GodwitWire
import HTTPTestSupport
import HTTPTypes
import Hummingbird
import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("Who may commit what")
struct CommitPermissionTests {
    /// Who says in `Authorization` what he may do.
    private func run(
        serving: Set<JobRoutes.Action> = Set(JobRoutes.Action.allCases),
        _ test: @Sendable @escaping (TestServer) async throws -> Void
    ) async throws {
        try await MountedRoutes.run { broker in
            JobRoutes(broker: broker, serving: serving) { request, action in
                request.headers[.authorization]?.contains(action.rawValue) == true
            }
        } _: {
            try await test($0)
        }
    }

    private func commit(_ server: TestServer, _ transactions: [Transaction], as who: String, in session: SessionCommit? = nil) async throws
        -> [BrokerError.Code?]
    {
        try await server.commit(transactions, in: session, at: "/commit", headers: [("Authorization", who)]).map { $0.error?.code }
    }

    @Test("each operation needs its action: what a client may not do is refused, what it may is done")
    func actions() async throws {
        try await run { server in
            let publish = try Transaction.job(), add = Transaction(.add(Addition(key: .counter("c"), step: "1", target: 2)))
            let settle = Transaction(.release(LeaseToken("x"), delay: nil, counted: false))
            let followed = Transaction(settle.operations + publish.operations), before = Transaction(publish.operations + settle.operations)
            let cancel = Transaction(.cancel(JobID("x")))
            let put = Transaction(.put(RecordKey("r"), value: "1", expecting: .anything, lifetime: nil))
            let all = [publish, add, settle, followed, before, cancel, put]
            // What is let through meets its job or its lease: neither is there.
            #expect(
                try await commit(server, all, as: "publish") == [nil, nil, .forbidden, .forbidden, .forbidden, .forbidden, .forbidden]
            )
            #expect(
                try await commit(server, all, as: "work")
                    == [.forbidden, .forbidden, .staleLease, .staleLease, .forbidden, .forbidden, .forbidden]
            )
            #expect(
                try await commit(server, all, as: "publish work")
                    == [nil, nil, .staleLease, .staleLease, .staleLease, .forbidden, .forbidden]
            )
            #expect(
                try await commit(server, all, as: "admin")
                    == [.forbidden, .forbidden, .forbidden, .forbidden, .forbidden, .jobNotFound, nil]
            )
            #expect(try await server.broker.queue(QueueName("q"))?.counts.queued == 2)
        }
    }

    @Test("what follows an end needs no more than what carries it, but ending others' jobs, records and Godwit's own counters do")
    func following() async throws {
        try await run { server in
            func carrying(_ operation: GodwitCore.Operation) throws -> Transaction {
                var message = NewMessage(queue: try QueueName("q"), payload: Content("1"))
                message.onFinal = [FollowUp(operation)]
                return Transaction(.enqueue(message))
            }
            let put = GodwitCore.Operation.put(RecordKey("r"), value: "1", expecting: .anything, lifetime: nil)
            let transactions = [
                try carrying(try #require(Transaction.job("other").operations.first)), try carrying(.cancel(JobID("x"))), try carrying(put),
                try carrying(.add(Addition(key: .counter("c"), step: "1", target: 1, then: [put]))),
                Transaction(.add(Addition(key: .counter("c"), step: "1", target: 1, then: [.cancel(JobID("x"))]))),
                Transaction(.add(Addition(key: RecordKey("own"), step: "1", target: 1))),
            ]
            #expect(
                try await commit(server, transactions, as: "publish") == [nil, .forbidden, .forbidden, .forbidden, .forbidden, .forbidden]
            )
            #expect(try await commit(server, transactions, as: "publish admin") == [nil, nil, nil, nil, nil, nil])
        }
    }

    @Test("who may do nothing of it gets 403, before the body is looked at or after")
    func nothing() async throws {
        try await run { server in
            let body = Wire.encode(CommitRequest([try .job(), try .job()]))
            for who in ["nobody", "watch"] {
                let refused = try await server.frames("/commit", Array(body.prefix(10)), headers: [("Authorization", who)])
                #expect(refused.status == 403, "\(who)")
                #expect(try refused.json["code"].string == "forbidden")
            }
            let worker = try await server.frames("/commit", body, headers: [("Authorization", "work"), ("Accept", WireFormat.mediaType)])
            #expect(worker.status == 403)
            #expect(try Wire.decodeError(Bytes(worker.body)).code == .forbidden)
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    @Test("what is not served is refused, whoever asks")
    func served() async throws {
        try await run(serving: [.publish]) { server in
            let transactions = [try Transaction.job(), Transaction(.cancel(JobID("x")))]
            #expect(try await commit(server, transactions, as: "publish work admin") == [nil, .forbidden])
        }
        try await run(serving: [.watch]) { server in
            let who = [("Authorization", "watch publish")]
            for path in ["/commit", "/calls"] {
                let reply = try await server.frames(path, [], headers: who)
                #expect(reply.status == 404)
            }
            let stream = try await server.get("/watch", headers: who + [("Accept", WireFormat.mediaType)])
            #expect(stream.status == 404)
        }
    }

    @Test("in a session each transaction keeps its number, whatever is refused before it")
    func numbers() async throws {
        try await run { server in
            var session = SessionCommit(id: "s", number: 1)
            let transactions = [Transaction(.cancel(JobID("x"))), try .job("a"), Transaction(.retry(JobID("x"))), try .job("b")]
            #expect(try await commit(server, transactions, as: "publish", in: session) == [.forbidden, nil, .forbidden, nil])
            session.isRepeat = true
            #expect(try await commit(server, transactions, as: "publish", in: session) == [.forbidden, nil, .forbidden, nil])
            #expect(try await server.broker.queues().map(\.counts.queued) == [1, 1])
        }
    }

    @Test("authorize is asked once for each action that something needs")
    func askedOnce() async throws {
        let asked = Mutex<[JobRoutes.Action]>([])
        try await MountedRoutes.run { broker in
            JobRoutes(broker: broker, serving: Set(JobRoutes.Action.allCases)) { _, action in
                asked.withLock { $0.append(action) }
                return true
            }
        } _: { server in
            let transactions = try (0..<10).map { _ in try Transaction.job() } + [Transaction(.cancel(JobID("x"))), .job()]
            _ = try await server.commit(transactions, at: "/commit")
        }
        #expect(asked.withLock { $0 } == [.work, .publish, .admin])
    }
}
