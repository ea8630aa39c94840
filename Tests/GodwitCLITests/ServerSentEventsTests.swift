import Testing

@testable import GodwitCLI

@Suite("Server-sent events")
struct ServerSentEventsTests {
    private let stream = "retry: 1000\n\n: keep-alive\n\nevent: state\r\nid: 7\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata: x\n\n"
    private let expected = [
        ServerSentEvents.Event(name: "state", data: "{\"a\":\n1}", id: "7"),
        ServerSentEvents.Event(name: "message", data: "x", id: "7"),
    ]

    @Test("are read alike whole and byte by byte")
    func pieces() throws {
        var whole = ServerSentEvents()
        #expect(try whole.add(stream.utf8) == expected)
        var single = ServerSentEvents()
        #expect(try stream.utf8.flatMap { try single.add([$0]) } == expected)
    }

    @Test("an event that is not ended is not there")
    func unfinished() throws {
        var parser = ServerSentEvents()
        #expect(try parser.add("event: state\ndata: {}\n".utf8).isEmpty)
    }

    @Test("an event without an end is refused before it fills the memory")
    func bounded() throws {
        var parser = ServerSentEvents()
        let line = "data: " + String(repeating: "x", count: 1 << 20) + "\n"
        #expect(throws: CommandFailure.self) {
            for _ in 0..<8 { _ = try parser.add(line.utf8) }
        }
    }
}
