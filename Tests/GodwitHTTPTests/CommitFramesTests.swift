import GodwitCore
import GodwitHTTP
import GodwitServer
import GodwitWire
import HTTPTestSupport
import Testing

@Suite("Commits in frames")
struct CommitFramesTests {
    @Test("every operation of a broker is carried out")
    func operations() async throws {
        try await TestServer.run { server in
            func run(_ operations: GodwitCore.Operation...) async throws -> [OperationResult] {
                try await server.commit([Transaction(operations)])[0].get()
            }
            let made = try await run(.enqueue(NewMessage(queue: try QueueName("q"), payload: Content("1"))))
            let job = try #require(made[0].jobID)
            var delivery = try #require(try await server.lease(.of("q")).first)
            #expect(delivery.job.id == job)
            #expect(delivery.payload.bytes.text == "1")
            #expect(try await run(.release(delivery.token, delay: nil, counted: false)) == [.state(.queued)])
            delivery = try #require(try await server.lease(.of("q")).first)
            #expect(try await run(.fail(delivery.token, Failure(message: "no"), retry: .never)) == [.state(.failed)])
            #expect(try await run(.retry(job)) == [.state(.queued)])
            delivery = try #require(try await server.lease(.of("q")).first)
            let target = try QueueName("dead")
            #expect(try await run(.deadLetter(delivery.token, Failure(message: "bad"), to: target)) == [.state(.failed)])
            let letter = try #require(try await server.broker.list(JobQuery(queue: target)).jobs.first)
            let back = try await run(.redrive(letter.id))
            #expect(back[0].jobID != nil)
            delivery = try #require(try await server.lease(.of("q")).first)
            let following = NewMessage(queue: try QueueName("next"), payload: Content("2"))
            let results = try await run(.complete(delivery.token, result: Content("3")), .enqueue(following))
            #expect(results[0] == .state(.succeeded))
            #expect(try await server.broker.result(of: delivery.job.id)?.bytes.text == "3")
            #expect(try await run(.cancel(try #require(results[1].jobID))) == [.state(.cancelled)])
            #expect(try await run(.forget(delivery.job.id)) == [.forgotten])
            let key = RecordKey("mine", home: .queue(try QueueName("q")))
            let put = try await run(.put(key, value: "v", expecting: .absent, lifetime: .seconds(60)))
            guard case .put(let version) = put[0] else { throw TestFailure("\(put)") }
            #expect(try await server.broker.read([key])[0] == Record(value: "v", version: version))
            let conflict = try await server.commit([Transaction(.put(key, value: "w", expecting: .absent, lifetime: nil))])
            #expect(conflict[0].error?.code == .versionConflict)
            #expect(try await run(.delete(key, expecting: .version(version))) == [.deleted])
            let added = try await run(.add(Addition(key: .counter("c"), step: "1", target: 1, then: [.enqueue(following)])))
            guard case .added(let sum) = added[0] else { throw TestFailure("\(added)") }
            #expect(sum.completes && sum.enqueued.count == 1)
        }
    }

    @Test("the session is in the body: the same frames again are answered as the first time")
    func session() async throws {
        try await TestServer.run { server in
            var session = SessionCommit(id: "s", number: 1)
            let transactions = [try Transaction.job("a"), Transaction(.cancel(JobID("none"))), try .job("b")]
            let first = try await server.commit(transactions, in: session)
            session.isRepeat = true
            let again = try await server.commit(transactions, in: session)
            #expect(first[0].results == again[0].results)
            #expect(first[1].error?.code == .jobNotFound && again[1].error?.code == .jobNotFound)
            #expect(first[2].results == again[2].results)
            #expect(try await server.broker.queues().map(\.counts.queued) == [1, 1])
            let both = try await server.frames(
                "/v1/commit",
                Wire.encode(CommitRequest(transactions, in: session)),
                headers: [("Godwit-Session", "\"s\"; n=1")]
            )
            #expect(both.status == 400)
            #expect(try both.json["field"].string == "Godwit-Session")
        }
    }

    @Test("the answer comes in the form that is asked for, else in the request's")
    func negotiation() async throws {
        try await TestServer.run { server in
            let body = Wire.encode(CommitRequest([try .job()]))
            let json = #"{"transactions": [{"operations": [{"enqueue": {"queue": "q", "payload": 1}}]}]}"#
            let frames = WireFormat.mediaType
            for (accept, isFrames) in [
                ("*/*", true), (frames, true), ("application/json", false), ("application/json;q=0.5, \(frames)", true),
                ("application/json, \(frames); q=0.5", false), ("application/json, \(frames);q=0", false), ("text/html", true),
            ] {
                let reply = try await server.frames("/v1/commit", body, headers: [("Accept", accept)])
                #expect(reply.status == 200)
                #expect((reply["content-type"] == frames) == isFrames, "\(accept)")
            }
            for (type, accept, isFrames) in [
                ("application/json", nil, false), (nil, "*/*", false), ("application/x-www-form-urlencoded", frames, true),
                ("application/vnd.mine+json", "application/json", false), ("APPLICATION/JSON; charset=utf-8", "\(frames);q=1", true),
            ] {
                let reply = try await server.post("/v1/commit", json, type: type, headers: accept.map { [("Accept", $0)] } ?? [])
                #expect(reply.status == 200)
                #expect((reply["content-type"] == frames) == isFrames, "\(type ?? "none") \(accept ?? "none")")
            }
            let refused = try await server.post("/v1/commit", json, type: "text/plain")
            #expect(refused.status == 415)
            #expect(try refused.json["code"].string == "unsupported_media_type")
            #expect(refused["accept"]?.contains(frames) == true)
        }
    }

    @Test("frames that are cut short, damaged, of an unknown kind or a later major version are refused whole")
    func unreadable() async throws {
        try await TestServer.run { server in
            let transactions = [try Transaction.job("q", "\"payload\""), try .job("q", "2")]
            let whole = Wire.encode(CommitRequest(transactions, in: SessionCommit(id: "s", number: 1)))
            func refused(_ body: [UInt8], _ status: Int, _ code: String) async throws {
                let reply = try await server.frames("/v1/commit", body)
                #expect(reply.status == status)
                #expect(try reply.json["code"].string == code, "\(reply.text)")
                #expect(try reply.json["field"].string == "body")
                let inFrames = try await server.frames("/v1/commit", body, headers: [("Accept", WireFormat.mediaType)])
                #expect(inFrames.status == status)
                #expect(inFrames["content-type"] == WireFormat.mediaType)
                #expect(try Wire.decodeError(Bytes(inFrames.body)).code.rawValue == code)
            }
            for end in [0, 1, 7, 9, 12, 20, whole.count / 2, whole.count - 1] {
                try await refused(Array(whole.prefix(end)), 400, "invalid_batch")
            }
            try await refused(Array("{}".utf8), 400, "invalid_batch")
            var unknown = whole
            unknown[8] = 0x7f
            try await refused(unknown, 400, "invalid_batch")
            var later = whole
            later[4] = WireFormat.major + 1
            try await refused(later, 415, "unsupported_version")
            try await refused(Wire.encode([RenewalOutcome.stale]), 400, "invalid_batch")
            #expect(try await server.broker.queues().isEmpty)
            // A later minor version is one that can be read.
            var minor = whole
            minor[5] = WireFormat.minor + 1
            #expect(try await server.frames("/v1/commit", minor).status == 200)
        }
    }

    @Test("a body that ends before its announced length commits nothing")
    func cut() async throws {
        try await TestServer.run { server in
            let body = Wire.encode(CommitRequest([try .job()]))
            let connection = try await server.connect()
            try await connection.send(
                "POST /v1/commit HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(WireFormat.mediaType)\r\nContent-Length: \(body.count)\r\n\r\n"
            )
            try await connection.send(Array(body.dropLast()))
            try await connection.closeOutput()
            #expect(try await connection.isClosedByServer(within: .seconds(10)))
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    @Test("one transaction's fault is its own: what is too large is refused, the others are committed")
    func limits() async throws {
        var options = ServerOptions()
        options.limits.jobBytes = 1_000
        try await TestServer.run(options) { server in
            let large = String(repeating: "1", count: 1_001)
            let nested = FollowUp(.enqueue(NewMessage(queue: try QueueName("z"), payload: Content(Bytes(large)))))
            var parent = NewMessage(queue: try QueueName("q"), payload: Content("1"))
            parent.onFinal = [nested]
            for session in [nil, SessionCommit(id: "s", number: 5)] {
                let outcomes = try await server.commit(
                    [
                        try .job(), try .job("q", large), try .job(),
                        Transaction([.cancel(JobID("x")), .complete(LeaseToken("x"), result: Content(Bytes(large)))]),
                        Transaction(.enqueue(parent)),
                    ],
                    in: session
                )
                #expect(outcomes.map { $0.error?.code } == [nil, .tooLarge, nil, .tooLarge, .tooLarge])
                #expect(outcomes[1].error?.field == "payload")
                guard case .aborted(operation: 1, let error) = outcomes[3] else { throw TestFailure("\(outcomes[3])") }
                #expect(error.field == "result")
            }
            #expect(try await server.broker.queue(QueueName("q"))?.counts.queued == 4)
            let many = try await server.frames("/v1/commit", Wire.encode(CommitRequest(Array(repeating: try .job(), count: 1_001))))
            #expect(many.status == 400)
            #expect(try await server.frames("/v1/commit", Wire.encode(CommitRequest([]))).status == 400)
        }
    }

    @Test("operations that follow nothing are refused where they stand as what follows")
    func follows() async throws {
        try await TestServer.run { server in
            for operation in [GodwitCore.Operation.forget(JobID("x")), .complete(LeaseToken("x"), result: nil), .retry(JobID("x"))] {
                var message = NewMessage(queue: try QueueName("q"), payload: Content("1"))
                message.onFinal = [FollowUp(operation)]
                let outcomes = try await server.commit([Transaction(.enqueue(message)), try .job("other")])
                #expect(outcomes[0].error?.code == .invalidArgument)
                #expect(outcomes[1].error == nil)
            }
        }
    }
}
