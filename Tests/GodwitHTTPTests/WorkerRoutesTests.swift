import GodwitCore
import HTTPTestSupport
import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("Workers by HTTP")
struct WorkerRoutesTests {
    @Test("who holds jobs is shown with what they are and since when, who holds most first")
    func list() async throws {
        try await TestServer.run { server in
            let empty = try await server.get("/v1/workers")
            #expect(empty.text == #"{"workers":[],"complete":true}"#)
            for _ in 0..<3 { _ = try await server.publish("mail") }
            _ = try await server.publish("reports", query: "?name=monthly")
            let held = try await server.post("/v1/queues/mail/leases?max=2&holder=one").json["leases"]
            _ = try await server.lease("mail")
            let report = try await server.lease("reports", query: "?holder=one")
            let answer = try await server.get("/v1/workers").json
            let workers = answer["workers"].elements
            #expect(workers.map { $0["holder"].string } == ["one", nil] && answer["complete"].bool == true)
            #expect(workers.map { $0["held"].int } == [3, 1])
            #expect(workers[0]["queues"].elements.map(\.string) == ["mail", "reports"])
            #expect(workers[0]["since"].string == held[0]["job"]["started_at"].string)
            let jobs = workers[0]["jobs"].elements
            #expect(Set(jobs.compactMap { $0["id"].string }) == Set((held.elements + [report]).compactMap { $0["job"]["id"].string }))
            #expect(jobs.contains { $0["name"].string == "monthly" && $0["attempt"].int == 1 && $0["progress"].isNull })
        }
    }

    @Test("of one worker the 20 oldest jobs are shown, and how many they are")
    func many() async throws {
        try await TestServer.run { server in
            let batch = "[" + Array(repeating: #"{"payload": 1}"#, count: 30).joined(separator: ",") + "]"
            #expect(try await server.post("/v1/queues/mail/jobs/batch", batch).status == 202)
            #expect(try await server.post("/v1/queues/mail/leases?max=30&holder=one").json["leases"].count == 30)
            let worker = try await server.get("/v1/workers").json["workers"][0]
            #expect(worker["held"].int == 30 && worker["jobs"].count == 20)
        }
    }

    @Test("a token for some queues sees what is held of those alone")
    func limited() async throws {
        let queues = Mutex<[QueuePattern]>([])
        try await MountedRoutes.run { broker in
            JobRoutes(
                broker: broker,
                serving: Set(JobRoutes.Action.allCases),
                access: { .known(Grant(name: "t", actions: Set(JobRoutes.Action.allCases), queues: queues.withLock { $0 })) }
            )
        } _: { server in
            for queue in ["mail", "billing"] {
                #expect(try await server.post("/queues/\(queue)/jobs", "{}").status == 202)
                #expect(try await server.post("/queues/\(queue)/leases?holder=one").status == 200)
            }
            #expect(try await server.get("/workers").json["workers"][0]["held"].int == 2)
            queues.withLock { $0 = [QueuePattern("mail")] }
            let worker = try await server.get("/workers").json["workers"][0]
            #expect(worker["held"].int == 1 && worker["queues"].elements.map(\.string) == ["mail"])
            queues.withLock { $0 = [QueuePattern("nothing-*")] }
            #expect(try await server.get("/workers").text == #"{"workers":[],"complete":true}"#)
        }
    }
}
