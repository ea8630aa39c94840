import Foundation
import Testing

@testable import GodwitServer

@Suite("Server options")
struct ServerOptionsTests {
    @Test(
        "an address that others can reach needs a token, or an explicit word",
        arguments: ["0.0.0.0", "::", "192.168.1.7", "queue.internal"]
    )
    func exposure(_ host: String) throws {
        var options = ServerOptions()
        options.host = host
        let error = #expect(throws: ServerError.self) { try options.validate() }
        #expect(error?.description.contains("--insecure") == true)
        options.isInsecure = true
        try options.validate()
        options.isInsecure = false
        options.token = "0123456789abcdef"
        try options.validate()
    }

    @Test("loopback needs neither", arguments: ["127.0.0.1", "127.8.0.1", "localhost", "LocalHost", "::1"])
    func loopback(_ host: String) throws {
        var options = ServerOptions()
        options.host = host
        try options.validate()
    }

    @Test(
        "a token that can be guessed or cannot be sent is refused",
        arguments: ["", "short", "0123456789 abcdef", "0123456789abcdeü", "0123456789abcd\n"]
    )
    func weakTokens(_ token: String) {
        var options = ServerOptions()
        options.token = token
        #expect(throws: ServerError.self) { try options.validate() }
    }

    @Test(
        "addresses are read",
        arguments: [
            ("127.0.0.1:9000", "127.0.0.1:9000"), ("[::1]:9000", "[::1]:9000"), (":9000", "127.0.0.1:9000"),
            ("localhost", "localhost:8080"),
            ("[::]", "[::]:8080"), ("0.0.0.0:0", "0.0.0.0:0"),
        ]
    )
    func addresses(_ text: String, _ expected: String) throws {
        #expect(try ServerOptions.parseAddress(text).description == expected)
    }

    @Test(
        "what is no address is refused",
        arguments: ["::1", "a:b", "127.0.0.1:70000", "[::1:80", "http://localhost:80", "a b:80", "h:-1"]
    )
    func badAddresses(_ text: String) {
        #expect(throws: ServerError.self) { try ServerOptions.parseAddress(text) }
    }

    @Test("the single token stands in the file of tokens as none")
    func twin() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "godwit-tokens-\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let table = #"{"tokens": [{"name": "worker", "token": "0123456789abcdef", "scopes": ["work"], "queues": ["mail"]}]}"#
        try Data(table.utf8).write(to: file)
        var options = ServerOptions()
        options.tokenTable = file.path(percentEncoded: false)
        try options.validate()
        options.token = "another-0123456789"
        try options.validate()
        options.token = "0123456789abcdef"
        let error = #expect(throws: ServerError.self) { try options.validate() }
        #expect(error?.description.contains("worker") == true)
    }
}
