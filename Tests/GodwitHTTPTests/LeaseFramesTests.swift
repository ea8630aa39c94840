import GodwitCore
import GodwitServer
import GodwitWire
import HTTPTestSupport
import Testing

@Suite("Leases and renewals of many")
struct LeaseFramesTests {
    @Test("one request leases from several queues, by weight")
    func weighted() async throws {
        try await TestServer.run { server in
            for queue in ["a", "b"] { _ = try await server.commit(try (0..<30).map { _ in try .job(queue) }) }
            var request = try LeaseRequest.of("a", "b", max: 20)
            request.holder.order = .weighted([3, 1])
            let deliveries = try await server.lease(request)
            #expect(deliveries.count == 20)
            #expect(deliveries.count { $0.job.queue.description == "a" } == 15)
            let first = deliveries[0]
            #expect(first.job.state == .running)
            #expect(first.payload == Content("1"))
            #expect(first.remaining > .seconds(50) && first.remaining <= .seconds(60))
            #expect(first.fencingNumber != nil)
            let outcomes = try await server.commit(deliveries.map { Transaction(.complete($0.token, result: nil)) })
            #expect(outcomes.allSatisfy { $0.error == nil })
        }
    }

    @Test("a long poll is answered when there is a job, and at the end of its wait")
    func longPoll() async throws {
        try await TestServer.run { server in
            async let waiting = server.lease(.of("a", wait: .seconds(30)))
            try await server.eventually { try await server.broker.queue(QueueName("a")) != nil }
            _ = try await server.commit([try .job("a")])
            #expect(try await waiting.count == 1)
            #expect(try await server.lease(.of("a", wait: .milliseconds(30))).isEmpty)
        }
    }

    @Test("the forms mix: the answer is what is accepted")
    func forms() async throws {
        try await TestServer.run { server in
            _ = try await server.commit([try .job(), try .job()])
            let json = try await server.frames("/v1/leases", Wire.encode(.of("q")), headers: [("Accept", "application/json")])
            #expect(try json.json["leases"][0]["payload"].int == 1)
            let frames = try await server.post("/v1/leases?queue=q", headers: [("Accept", WireFormat.mediaType)])
            #expect(frames["content-type"] == WireFormat.mediaType)
            #expect(try Wire.decodeDeliveries(Bytes(frames.body)).count == 1)
        }
    }

    @Test("jobs whose answer in frames is never read are given back, uncounted")
    func hungUp() async throws {
        try await TestServer.run { server in
            let connection = try await server.connect()
            try await connection.request(
                "POST",
                "/v1/leases",
                headers: [("Content-Type", WireFormat.mediaType)],
                body: Wire.encode(.of("a", wait: .seconds(60)))
            )
            try await server.eventually { try await server.broker.queue(QueueName("a")) != nil }
            try await connection.close()
            try await server.eventually { try await server.get("/metrics").text.contains("godwit_http_connections 1\n") }
            _ = try await server.commit([try .job("a")])
            let delivery = try #require(try await server.lease(.of("a", wait: .seconds(10))).first)
            #expect(delivery.job.attempt == 1)
        }
    }

    @Test("bad requests for leases are refused with what is wrong")
    func badLeases() async throws {
        try await TestServer.run(createsQueues: false) { server in
            func refused(_ request: LeaseRequest, _ status: Int, _ field: String?, path: String = "/v1/leases") async throws {
                let reply = try await server.frames(path, Wire.encode(request))
                #expect(reply.status == status, "\(reply.text)")
                #expect(try reply.json["field"].string == field, "\(reply.text)")
            }
            try await refused(.of("q"), 404, "queue")
            try await refused(.of("q"), 400, "query", path: "/v1/leases?max=1")
            try await refused(.of(), 400, "queue")
            try await refused(.of("q", "q"), 400, "queue")
            try await refused(.of("q", max: 0), 400, "max")
            try await refused(.of("q", max: 1_001), 400, "max")
            var request = try LeaseRequest.of("q")
            request.term = .holderLife
            try await refused(request, 400, "lease")
            request.term = .fixed(.milliseconds(1))
            try await refused(request, 400, "lease")
            request = try .of("q")
            request.holder.order = .weighted([1, 2])
            try await refused(request, 400, "weights")
            request = try .of("q")
            request.holder.id = HolderID("")
            try await refused(request, 400, "holder")
            #expect(try await server.frames("/v1/leases", [1, 2, 3]).status == 400)
        }
    }

    @Test("renewals have one answer each, and carry progress", arguments: [true, false])
    func renew(inFrames: Bool) async throws {
        try await TestServer.run { server in
            _ = try await server.commit([try .job(), try .job(), try .job()])
            let leases = try await server.lease(.of("q", max: 3))
            #expect(try await server.commit([Transaction(.cancel(leases[1].job.id))])[0].error == nil)
            let progress = JobProgress(fraction: 0.25, note: "a\nb")
            if inFrames {
                let renewals = [
                    Renewal(leases[0].token, term: .seconds(600), progress: progress), Renewal(leases[1].token), Renewal(LeaseToken("old")),
                ]
                let request = RenewRequest(holder: HolderID("h"), renewals: renewals)
                let reply = try await server.frames("/v1/leases/renew", Wire.encode(request))
                let outcomes = try Wire.decodeRenewals(Bytes(reply.body))
                guard case .good(let remaining) = outcomes[0] else { throw TestFailure("\(outcomes)") }
                #expect(remaining > .seconds(590))
                #expect(outcomes[1...] == [.cancelRequested, .stale])
            } else {
                let body = """
                    {"holder": "h", "renewals": [
                      {"lease": "\(leases[0].token)", "lease_time": "10m", "fraction": 0.25, "note": "a\\nb"},
                      {"lease": "\(leases[1].token)"}, {"lease": "old"}]}
                    """
                let reply = try await server.post("/v1/leases/renew", body)
                #expect(reply.status == 200)
                let results = try reply.json["results"]
                #expect(results[0]["status"].int == 200)
                #expect(results[0]["cancel_requested"].bool == false)
                #expect(results[0]["lease"].string == leases[0].token.description)
                #expect(results[1]["cancel_requested"].bool == true)
                #expect(results[2]["status"].int == 409)
                #expect(results[2]["error"]["field"].string == "renewals[2].lease")
            }
            #expect(try await server.broker.read([leases[0].job.id])[0].snapshot?.progress == progress)
        }
    }

    @Test(
        "bad renewals are refused by their place",
        arguments: [
            ("", "renewals"), ("{}", "renewals"), (#"{"renewals": []}"#, "renewals"), (#"{"renewals": [{}]}"#, "renewals[0].lease"),
            (#"{"renewals": [{"lease": "a"}], "x": 1}"#, "x"), (#"{"renewals": [{"lease": "a", "note": "b"}]}"#, "renewals[0].note"),
            (#"{"renewals": [{"lease": "a", "lease_time": "1ms"}]}"#, "renewals[0].lease_time"),
            (#"{"renewals": [{"lease": "a"}, {"lease": "a", "fraction": "2"}]}"#, "renewals[1].fraction"), (#"{"holder": 1}"#, "holder"),
        ]
    )
    func badRenewals(body: String, field: String) async throws {
        try await TestServer.run { server in
            let reply = try await server.post("/v1/leases/renew", body)
            #expect(reply.status == 400)
            #expect(try reply.json["field"].string == field, "\(reply.text)")
        }
    }

    @Test("what is a little too much in one renewal keeps no lease from being renewed", arguments: [true, false])
    func oddRenewals(inFrames: Bool) async throws {
        try await TestServer.run { server in
            _ = try await server.commit([try .job(), try .job(), try .job()])
            let leases = try await server.lease(.of("q", max: 3))
            if inFrames {
                let renewals = [
                    Renewal(leases[0].token, term: .milliseconds(1)), Renewal(leases[1].token, term: .seconds(1_000_000)),
                    Renewal(leases[2].token, progress: JobProgress(fraction: 1.000_000_1, note: nil)),
                ]
                let request = RenewRequest(holder: HolderID("h"), renewals: renewals)
                let reply = try await server.frames("/v1/leases/renew", Wire.encode(request))
                let outcomes = try Wire.decodeRenewals(Bytes(reply.body))
                #expect(outcomes[..<2] == [.good(remaining: Limits.shortestLease), .good(remaining: Limits.longestLease)])
                guard case .good = outcomes[2] else { throw TestFailure("\(outcomes)") }
            } else {
                let body = """
                    {"renewals": [{"lease": "\(leases[1].token)"}, {"lease": "\(leases[2].token)", "fraction": 1.0000001}]}
                    """
                let reply = try await server.post("/v1/leases/renew", body)
                #expect(try [0, 1].map { try reply.json["results"][$0]["status"].int } == [200, 200], "\(reply.text)")
            }
            #expect(try await server.broker.read([leases[2].job.id])[0].snapshot?.progress?.fraction == 1)
        }
    }

    @Test("no more than 10,000 renewals come at a time, and no damaged ones")
    func renewalLimits() async throws {
        try await TestServer.run { server in
            func send(_ count: Int) async throws -> HTTPReply {
                let renewals = Array(repeating: Renewal(LeaseToken("x")), count: count)
                return try await server.frames("/v1/leases/renew", Wire.encode(RenewRequest(holder: HolderID("h"), renewals: renewals)))
            }
            #expect(try await send(10_001).status == 400)
            #expect(try await send(0).status == 400)
            #expect(try Wire.decodeRenewals(Bytes(try await send(10_000).body)).count == 10_000)
            #expect(try await server.frames("/v1/leases/renew", [0]).status == 400)
            let other = try await server.post("/v1/leases/renew", "{}", type: "text/plain")
            #expect(other.status == 415)
        }
    }
}
