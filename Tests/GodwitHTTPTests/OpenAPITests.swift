import GodwitCore
import GodwitServer
import HTTPTestSupport
import HTTPTypes
import Testing

@testable import GodwitHTTP

@Suite("The OpenAPI document")
struct OpenAPITests {
    private static let mount = "/v1/"

    private static func document() throws -> JSONTree { JSONTree(try JSONValue(parsing: Bytes(OpenAPI.document))) }

    /// `GET /v1/jobs/{}?limit&state`, for each operation of the document.
    private static func documented() throws -> Set<String> {
        let document = try document()
        var operations: Set<String> = []
        for path in document["paths"].names {
            for method in document["paths"][path].names {
                let operation = document["paths"][path][method]
                let parameters = operation["parameters"].elements.map { resolve($0, in: document) }
                let query = parameters.filter { $0["in"].string == "query" }.compactMap { $0["name"].string }.sorted()
                operations.insert(line(method.uppercased(), path, query))
                let items = parameters.filter { $0["in"].string == "path" }.compactMap { $0["name"].string }
                #expect(
                    Set(items) == Set(path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }),
                    "\(path)"
                )
            }
        }
        return operations
    }

    private static func resolve(_ node: JSONTree, in document: JSONTree) -> JSONTree {
        guard let reference = node["$ref"].string else { return node }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] }
    }

    private static func line(_ method: String, _ path: String, _ query: [String]) -> String {
        "\(method) \(path)\(query.isEmpty ? "" : "?" + query.joined(separator: "&"))"
    }

    @Test("the document has each route with its query items, and no other")
    func routes() async throws {
        let broker = try await TestServer.engine()
        let table = JobRoutes(broker: broker, serving: Set(JobRoutes.Action.allCases), watchKeys: WatchKeys([.random()])).table
        await broker.close()
        var served = Set(
            table.map { route in
                let path = route.path.split(separator: "/").map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : "\($0)" }.joined(
                    separator: "/"
                )
                return Self.line(route.method.rawValue, Self.mount + path, route.options.sorted())
            }
        )
        #expect(served.count == table.count)
        for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] { served.insert("GET \(path)") }
        #expect(try Self.documented() == served)
    }

    @Test("the server serves what the document says, and 405 with Allow for the rest")
    func live() async throws {
        try await TestServer.run { server in
            let served = try await server.get("/openapi.json")
            #expect(served.status == 200)
            #expect(served["content-type"] == "application/json")
            #expect(served.body == OpenAPI.document)
            let document = try served.json
            #expect(document["openapi"].string == "3.1.0")
            #expect(document["info"]["version"].string == ServerOptions().version)
            for path in document["paths"].names {
                var methods = Set(document["paths"][path].names.map { $0.uppercased() })
                if methods.contains("GET") { methods.insert("HEAD") }
                let real = path.replacing("{queue}", with: "q").replacing("{job}", with: "j").replacing("{lease}", with: "l")
                    .replacing("{holder}", with: "h").replacing("{counter}", with: "c").replacing("{stream}", with: "s")
                    .replacing("{schedule}", with: "n")
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "UNSUBSCRIBE"] {
                    let reply = try await server.send(method, real)
                    #expect((reply.status != 405) == methods.contains(method), "\(method) \(path): \(reply.status)")
                    guard reply.status == 405 else { continue }
                    #expect(reply["allow"] == methods.sorted().joined(separator: ", "))
                    if method != "HEAD" { #expect(try reply.json["code"].string == "method_not_allowed") }
                }
            }
        }
    }

    @Test("a server that asks for tokens says so")
    func tokens() async throws {
        var options = ServerOptions()
        options.token = "a-token-of-some-length"
        try await TestServer.run(options) { server in
            let served = try await server.send("GET", "/openapi.json", headers: [("Authorization", "Bearer a-token-of-some-length")])
            #expect(try served.json["security"].elements.map(\.names) == [["token"]])
            #expect(try Self.document()["security"].elements.map(\.names) == [[], ["token"]])
        }
    }

    @Test("every operation says how it refuses")
    func refusals() throws {
        let document = try Self.document()
        for path in document["paths"].names where path != "/healthz" && path != "/readyz" {
            for method in document["paths"][path].names {
                let responses = document["paths"][path][method]["responses"]
                let expected = ["400", "401", "403"] + (path.hasPrefix(Self.mount) ? ["503"] : [])
                for status in expected { #expect(responses.names.contains(status), "\(method) \(path)") }
                // What is not a success is a problem document.
                for status in responses.names where (Int(status) ?? 0) >= 400 {
                    let response = Self.resolve(responses[status], in: document)
                    #expect(response["content"].names == ["application/problem+json"], "\(method) \(path) \(status)")
                }
            }
        }
    }

    @Test("every reference of the document leads somewhere, and every operation has a name of its own")
    func references() throws {
        let document = try Self.document()
        var names: [String] = []
        var references = 0
        func walk(_ node: JSONTree) {
            if let reference = node["$ref"].string {
                references += 1
                #expect(reference.hasPrefix("#/") && !Self.resolve(node, in: document).isMissing, "\(reference)")
            }
            // A link names an operation, too.
            if let name = node["operationId"].string, !node["responses"].isMissing { names.append(name) }
            for name in node.names { walk(node[name]) }
            for element in node.elements { walk(element) }
        }
        walk(document)
        #expect(references > 50)
        #expect(names.count == Set(names).count)
    }
}
