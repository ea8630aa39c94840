import GodwitCore
import GodwitJournal
import HTTPTestSupport
import Testing

@testable import GodwitHTTP

@Suite("Exports")
struct ExportTests {
    private func lines(_ server: TestServer, _ query: String = "") async throws -> [JSONTree] {
        try await server.get("/v1/export\(query)").text.split(separator: "\n").map { JSONTree(try JSONValue(parsing: Bytes(String($0)))) }
    }

    @Test("a queue that is named twice is written once")
    func namedTwice() async throws {
        try await TestServer.run { server in
            for queue in ["a", "b", "c"] { _ = try await server.publish(queue, "1") }
            let record = RecordKey("r", home: .queue(try QueueName("a")))
            _ = try await server.broker.commit(.put(record, value: "v", expecting: .absent, lifetime: nil))
            let lines = try await lines(server, "?queue=a&queue=b&queue=a")
            #expect(lines.map { $0["type"].string } == ["export", "queue", "queue", "record", "job", "job", "end"])
            #expect(lines.last?["jobs"].int == 2 && lines.last?["queues"].int == 2)
        }
    }

    @Test("a record that cannot be read any more is said to be lost, and all else is written")
    func lostRecord() async throws {
        let storage = MemoryStorage()
        let broker = try await TestServer.engine(storage: storage)
        try await TestServer.run(broker: broker) { server in
            let queue = try QueueName("q")
            for (name, value) in [("first", "sound"), ("second", "a value that rots"), ("third", "sound, too")] {
                let key = RecordKey(name, home: name == "second" ? .queue(queue) : .own)
                _ = try await broker.commit(.put(key, value: Bytes(value), expecting: .absent, lifetime: nil))
            }
            _ = try await server.publish("q", "1")
            let bytes = try #require(storage.contents(of: "segment-00000001"))
            let place = try #require(bytes.firstRange(of: Array("a value that rots".utf8)))
            storage.flip(0x10, of: "segment-00000001", at: place.lowerBound)
            let lines = try await lines(server)
            let records = lines.filter { $0["type"].string == "record" }
            #expect(Set(records.compactMap { $0["name"].string }) == ["first", "third"])
            let lost = try #require(lines.first { $0["type"].string == "lost" })
            #expect(lost["record"].string == "second" && lost["queue"].string == "q" && lost["error"].string?.contains("segment") == true)
            let end = try #require(lines.last)
            #expect(end["records"].int == 2 && end["jobs"].int == 1 && end["lost"].int == 0 && end["lost_records"].int == 1)
            // An import passes such a line over.
            let text = try await server.get("/v1/export").text
            try await TestServer.run { other in
                let taken = try await other.post("/v1/import", text, type: "application/jsonl")
                #expect(try taken.status == 200 && taken.json["records"].int == 2)
            }
        }
    }

    @Test("a follow-up that is transient is so after an import, too")
    func transientFollowUp() async throws {
        try await TestServer.run { server in
            let followUps = #"[{"enqueue":{"queue":"n","payload":1,"transient":true}}]"#
            #expect(try await server.post("/v1/queues/q/jobs?on-final=\(PercentCoding.encode(followUps))", "1").status == 202)
            let job = try #require(try await lines(server).first { $0["type"].string == "job" })["job"]
            #expect(job["on_final"].raw == followUps)
        }
    }
}
