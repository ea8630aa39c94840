import GodwitCore
import GodwitHTTP
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("Server-sent events")
struct EventTests {
    /// Reads a stream's next event; comments are passed over.
    private struct Events {
        let connection: HTTPConnection
        var rest = ""

        mutating func require() async throws -> [String: String] {
            guard let event = try await next() else { throw TestFailure("the stream ended") }
            return event
        }

        mutating func next() async throws -> [String: String]? {
            while true {
                while let end = rest.firstRange(of: "\n\n") {
                    let block = rest[..<end.lowerBound]
                    rest = String(rest[end.upperBound...])
                    var fields: [String: String] = [:]
                    for line in block.split(separator: "\n") where !line.hasPrefix(":") {
                        let pair = line.split(separator: ":", maxSplits: 1)
                        fields[String(pair[0])] = String(pair[1].drop(while: { $0 == " " }))
                    }
                    if fields["data"] != nil { return fields }
                }
                guard let chunk = try await connection.chunk() else { return nil }
                rest += String(decoding: chunk, as: UTF8.self)
            }
        }
    }

    @Test("the current state comes first, then each change, and the stream ends after the final one")
    func stream() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let connection = try await server.connect()
            try await connection.request("GET", "/v1/jobs/\(id)/events")
            let head = try await connection.head()
            #expect(head.status == 200)
            #expect(head["content-type"] == "text/event-stream")
            #expect(head["cache-control"] == "no-store")
            var events = Events(connection: connection)
            var event = try await events.require()
            #expect(event["event"] == "state")
            #expect(event["data"]?.contains(#""state":"queued""#) == true)

            let lease = try #require(try await server.lease()["lease"].string)
            event = try await events.require()
            #expect(event["event"] == "state")
            #expect(event["data"]?.contains(#""state":"running""#) == true)
            #expect(try await server.post("/v1/leases/\(lease)/progress", #"{"fraction": 0.5, "note": "half\nway"}"#).status == 200)
            event = try await events.require()
            #expect(event["event"] == "progress")
            #expect(event["data"]?.contains(#""progress":{"fraction":0.5,"note":"half\nway"}"#) == true)
            #expect(try await server.post("/v1/leases/\(lease)/complete", "1").status == 200)
            event = try await events.require()
            #expect(event["event"] == "state")
            #expect(event["data"]?.contains(#""state":"succeeded""#) == true)
            let end = try await events.next()
            #expect(end == nil, "the stream ends")

            let last = try #require(event["id"])
            #expect(try await server.get("/v1/jobs/\(id)/events", headers: [("Last-Event-ID", last)]).status == 204)
            let other = try await server.get("/v1/jobs/\(id)/events", headers: [("Last-Event-ID", "0")])
            #expect(other.status == 200)
            #expect(other.text.contains(#""state":"succeeded""#))
            // The connection goes on to be used.
            try await connection.request("GET", "/v1/jobs/\(id)")
            #expect(try await connection.reply().status == 200)
        }
    }

    @Test("an idle stream says that it is there")
    func keepAlive() async throws {
        var options = ServerOptions()
        options.limits.keepAlive = .milliseconds(50)
        try await TestServer.run(options) { server in
            let id = try await server.publish()
            let connection = try await server.connect()
            try await connection.request("GET", "/v1/jobs/\(id)/events")
            _ = try await connection.head()
            var text = ""
            while !text.contains(": keep-alive\n\n: keep-alive\n\n") {
                text += String(decoding: try await connection.chunk() ?? [], as: UTF8.self)
            }
            #expect(text.hasPrefix("retry: 1000\n\nevent: state\nid: "))
        }
    }

    @Test("an unknown job has no events")
    func unknown() async throws {
        try await TestServer.run { server in
            let reply = try await server.get("/v1/jobs/nothing/events")
            #expect(reply.status == 404)
        }
    }
}
