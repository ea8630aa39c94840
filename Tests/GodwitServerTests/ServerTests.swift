import GodwitCore
import GodwitServer
import HTTPTestSupport
import ServiceLifecycle
import Testing

@Suite("The server")
struct ServerTests {
    @Test("health, readiness and metrics are served")
    func operations() async throws {
        try await TestServer.run { server in
            #expect(try await server.get("/healthz").status == 200)
            #expect(try await server.get("/readyz").status == 200)
            let id = try await server.publish("ab")
            _ = try await server.lease("ab")
            #expect(!id.isEmpty)
            let metrics = try await server.get("/metrics")
            #expect(metrics.status == 200)
            #expect(metrics["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            for line in [
                "godwit_queue_jobs{queue=\"ab\",state=\"running\"} 1", "godwit_queue_jobs{queue=\"ab\",state=\"queued\"} 0",
                "godwit_jobs_published_total{queue=\"ab\"} 1", "godwit_jobs_delivered_total{queue=\"ab\"} 1", "godwit_store_healthy 1",
                "godwit_draining 0", "# TYPE godwit_queue_jobs gauge", "godwit_http_responses_total{status=\"5xx\"} 0",
            ] { #expect(metrics.text.contains(line + "\n"), "\(line)") }
            for line in [
                #"godwit_queues 1"#, #"godwit_queues_listed 1"#, #"godwit_publish_confirm_seconds_count 1"#,
                #"godwit_job_wait_seconds_count 1"#, #"godwit_job_run_seconds_count 0"#, #"godwit_queue_wait_seconds_count{queue="ab"} 1"#,
                #"godwit_queue_wait_seconds_bucket{queue="ab",le="86400"} 1"#, #"godwit_job_run_seconds_bucket{le="+Inf"} 0"#,
            ] { #expect(metrics.text.contains(line + "\n"), "\(line)") }
            // Each line is a comment or a sample, and each metric is described once.
            let sample = /[a-z_]+(\{.*\})? [-+0-9.eE]+/
            let lines = metrics.text.split(separator: "\n")
            #expect(lines.allSatisfy { $0.hasPrefix("# ") || $0.wholeMatch(of: sample) != nil })
            let described = lines.filter { $0.hasPrefix("# TYPE") }
            #expect(described.count == Set(described).count)
        }
    }

    @Test("a store that cannot confirm changes is not ready, and metrics still say so")
    func failedStore() async throws {
        try await TestServer.run { server in
            await server.broker.close()
            let ready = try await server.get("/readyz")
            #expect(ready.status == 503)
            #expect(try ready.json["code"].string == "closed")
            #expect(try await server.get("/healthz").status == 200)
            #expect(try await server.get("/metrics").text.contains("godwit_store_healthy 0\n"))
            let refused = try await server.post("/v1/queues/q/jobs", "1")
            #expect(refused.status == 503)
            #expect(try refused.json["code"].string == "closed")
        }
    }

    @Test("with a token everything but health needs it")
    func token() async throws {
        var options = ServerOptions()
        options.token = "0123456789abcdef"
        try await TestServer.run(options) { server in
            for path in ["/v1/jobs", "/metrics", "/openapi.json", "/nothing"] {
                let refused = try await server.get(path)
                #expect(refused.status == 401)
                #expect(refused["www-authenticate"] == "Bearer")
                #expect(try refused.json["code"].string == "unauthorized")
                #expect(try await server.get(path, headers: [("Authorization", "Bearer 0123456789abcdeX")]).status == 401)
                #expect(try await server.get(path, headers: [("Authorization", "Bearer 0123456789abcdef")]).status != 401)
            }
            #expect(try await server.get("/healthz").status == 200)
            #expect(try await server.get("/readyz").status == 200)
            #expect(try await server.post("/v1/queues/q/jobs", "1").status == 401)
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    @Test("a web page of another origin, and one that renamed itself to us, are refused")
    func browsers() async throws {
        var options = ServerOptions()
        options.allowedOrigins = ["https://app.example.com"]
        try await TestServer.run(options) { server in
            let rebound = try await server.get("/v1/jobs", headers: [("Host", "evil.example")])
            #expect(rebound.status == 403)
            #expect(try rebound.json["code"].string == "host_not_allowed")
            let foreign = try await server.post("/v1/queues/q/jobs", "1", headers: [("Origin", "https://evil.example")])
            #expect(foreign.status == 403)
            #expect(try foreign.json["code"].string == "origin_not_allowed")
            #expect(foreign["access-control-allow-origin"] == nil)
            #expect(try await server.broker.queues().isEmpty)
            let allowed = try await server.post("/v1/queues/q/jobs", "1", headers: [("Origin", "https://app.example.com")])
            #expect(allowed.status == 202)
            #expect(allowed["access-control-allow-origin"] == "https://app.example.com")
            #expect(allowed["vary"] == "Origin")
            let preflight = try await server.send(
                "OPTIONS",
                "/v1/queues/q/jobs",
                headers: [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST")]
            )
            #expect(preflight.status == 204)
            #expect(preflight["access-control-allow-methods"]?.contains("POST") == true)
            let asking = try await server.send(
                "OPTIONS",
                "/v1/queues/q/jobs",
                headers: [
                    ("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST"),
                    ("Access-Control-Request-Headers", "godwit-header-tenant, ce-id,x-other"),
                ]
            )
            #expect(asking["access-control-allow-headers"]?.hasSuffix("Traceparent, Tracestate, godwit-header-tenant, ce-id") == true)
            #expect(try await server.get("/healthz", headers: [("Host", "lb.example")]).status == 200)
        }
    }

    @Test("a page of an allowed origin can read why it was refused")
    func readableRefusal() async throws {
        var options = ServerOptions()
        options.token = "0123456789abcdef"
        options.allowedOrigins = ["https://app.example.com"]
        try await TestServer.run(options) { server in
            let refused = try await server.get("/v1/jobs", headers: [("Origin", "https://app.example.com")])
            #expect(refused.status == 401)
            #expect(refused["access-control-allow-origin"] == "https://app.example.com")
            let foreign = try await server.get("/v1/jobs", headers: [("Origin", "https://evil.example")])
            #expect(foreign.status == 401)
            #expect(foreign["access-control-allow-origin"] == nil)
        }
    }

    @Test("a port in use is a clear error")
    func portInUse() async throws {
        try await TestServer.run { server in
            var options = ServerOptions()
            options.port = server.address.port
            let second = GodwitServer(broker: server.broker, options: options, logger: TestServer.logger)
            let error = await #expect(throws: ServerError.self) { try await second.run() }
            #expect(error?.code == .addressInUse)
            #expect(error?.description.contains("\(server.address)") == true)
            await #expect(throws: ServerError.self) { try await second.address }
        }
    }

    @Test("an address that others can reach is refused before anything listens")
    func exposed() async throws {
        let broker = try await TestServer.engine()
        var options = ServerOptions()
        options.host = "0.0.0.0"
        options.port = 0
        let server = GodwitServer(broker: broker, options: options, logger: TestServer.logger)
        let error = await #expect(throws: ServerError.self) { try await server.run() }
        #expect(error?.code == .options)
        await broker.close()
    }

    @Test("a shutdown drains: waits end, work is refused, settles are taken, and the server ends")
    func drain() async throws {
        let stopping = try await StoppingServer.start(drain: .seconds(60))
        let client = stopping.client
        let id = try await client.publish("q", "1")
        let lease = try #require(try await client.lease("q", query: "?lease=1m")["lease"].string)
        async let poll = client.get("/v1/jobs/\(id)", headers: [("Prefer", "wait=60")])
        async let wait = client.post("/v1/queues/q/leases?wait=60s")
        let stream = try await client.connect()
        try await stream.request("GET", "/v1/jobs/\(id)/events")
        _ = try await stream.head()
        _ = try await stream.chunk()
        try await client.eventually { try await client.get("/metrics").text.contains("godwit_http_connections 4\n") }

        let start = ContinuousClock.now
        await stopping.group.triggerGracefulShutdown()
        while try await stream.chunk() != nil {}
        try await stream.close()
        #expect(start.duration(to: .now) < .seconds(10), "a keep-alive comes each 15 s: nothing waited for it")
        try await client.eventually { try await client.get("/readyz").status == 503 }
        #expect(try await client.get("/readyz").json["code"].string == "draining")
        #expect(try await poll.json["state"].string == "running")
        #expect(try await wait.text == #"{"leases":[]}"#)
        let refused = try await client.post("/v1/queues/q/jobs", "1")
        #expect(refused.status == 503)
        #expect(try refused.json["code"].string == "draining")
        #expect(refused["connection"] == "close")
        #expect(try await client.post("/v1/queues/q/jobs/batch", "[{\"payload\":1}]").status == 503)
        #expect(try await client.post("/v1/queues/q/leases").status == 503)
        #expect(try await client.post("/v1/counters/c", #"{"step": "a", "at": 1}"#).json["code"].string == "draining")
        #expect(try await client.post("/v1/leases/\(lease)/complete", "1").status == 200)
        #expect(try await client.get("/healthz").status == 200)
        try await stopping.end()
        await #expect(throws: (any Error).self) { try await client.connect() }
    }
}
