import GodwitCore
import GodwitHTTP
import GodwitServer
import HTTPTestSupport
import Testing

/// What holds for one job holds for each of many.
@Suite("Limits of single jobs in larger requests")
struct LimitTests {
    private static func small() -> ServerOptions {
        var options = ServerOptions()
        options.limits.jobBytes = 1_000
        return options
    }

    private func text(_ count: Int) -> String { "\"" + String(repeating: "x", count: count - 2) + "\"" }
    private func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }

    @Test("a job in a batch is no larger than a single one")
    func batch() async throws {
        try await TestServer.run(Self.small()) { server in
            let batch = "/v1/queues/q/jobs/batch"
            #expect(try await server.post(batch, "[{\"payload\":\(text(1_000))},{\"payload\":1}]").status == 202)
            for (member, value) in [("payload", text(1_001)), ("payload_base64", "\"" + String(repeating: "A", count: 1_400) + "\"")] {
                let refused = try await server.post(batch, "[{\"payload\":1},{\"\(member)\":\(value)}]")
                #expect(refused.status == 413)
                #expect(try refused.json["code"].string == "too_large")
                #expect(try refused.json["field"].string == "[1].\(member)")
                #expect(refused["connection"] == nil, "the body was read: the connection goes on")
            }
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 2)
        }
    }

    @Test("nor is a result in a batch, nor a job that it enqueues")
    func settles() async throws {
        try await TestServer.run(Self.small()) { server in
            _ = try await server.publish()
            let lease = try #require(try await server.lease()["lease"].string)
            for (members, field) in [
                ("\"complete\":\(text(1_001))", "[0].complete"),
                ("\"complete\":1,\"enqueue\":[{\"queue\":\"q\",\"payload\":\(text(1_001))}]", "[0].enqueue[0].payload"),
            ] {
                let refused = try await server.post("/v1/leases/batch", "[{\"lease\":\"\(lease)\",\(members)}]")
                #expect(refused.status == 413)
                #expect(try refused.json["field"].string == field)
            }
            let taken = try await server.post("/v1/leases/batch", "[{\"lease\":\"\(lease)\",\"complete\":\(text(1_000))}]")
            #expect(try taken.json["results"][0]["status"].int == 200)
        }
    }

    @Test("a payload is nested no deeper than whoever gets it can read, a lease's answer around it")
    func depth() async throws {
        try await TestServer.run { server in
            let most = nested(JSONValue.payloadDepth)
            let tooDeep = nested(JSONValue.payloadDepth + 1)
            for type in ["application/json", nil] {
                let refused = try await server.post("/v1/queues/q/jobs", tooDeep, type: type)
                #expect(refused.status == 400)
                #expect(try refused.json["code"].string == "invalid_json")
            }
            let refused = try await server.post("/v1/queues/q/jobs/batch", "[{\"payload\":\(tooDeep)}]")
            #expect(refused.status == 400)
            #expect(try refused.json["field"].string == "[0].payload")
            _ = try await server.publish("q", most)
            let lease = try await server.lease()
            #expect(lease["payload"].raw == most)
            let token = try #require(lease["lease"].string)
            #expect(try await server.post("/v1/leases/\(token)/complete", tooDeep).status == 400)
            let batched = try await server.post("/v1/leases/batch", "[{\"lease\":\"\(token)\",\"complete\":\(tooDeep)}]")
            #expect(batched.status == 400)
            #expect(try batched.json["field"].string == "[0].complete")
            #expect(try await server.post("/v1/leases/\(token)/complete", most).status == 200)
        }
    }

    @Test("a payload that was nested deeper, by whatever other way it came, is given out in base64")
    func deepFromElsewhere() async throws {
        try await TestServer.run { server in
            let message = NewMessage(queue: try QueueName("q"), payload: Content(Bytes(nested(126))))
            _ = try await server.broker.commit([Transaction(.enqueue(message))])
            let lease = try await server.lease()
            #expect(lease["content_type"].string == "application/json")
            #expect(lease["payload"].isMissing)
            #expect(lease["payload_base64"].string != nil)
        }
    }
}
