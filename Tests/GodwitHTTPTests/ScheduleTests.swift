import GodwitCore
import HTTPTestSupport
import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("Schedules by HTTP")
struct ScheduleTests {
    /// A client who may use the queues that the test says, and the lines of its audit.
    private final class Scene: Sendable {
        let queues = Mutex<[QueuePattern]>([])
        let lines = LogLines()
        var access: Access {
            .known(Grant(name: "ops", actions: Set(JobRoutes.Action.allCases), queues: queues.withLock { $0 }))
        }
        func become(_ names: String...) { queues.withLock { $0 = names.map { QueuePattern($0) } } }
    }

    private static func put(_ name: String, _ queue: String, _ value: String, _ server: TestServer) async throws {
        let key = RecordKey("schedule:\(name)", home: .queue(try QueueName(queue)))
        _ = try await server.broker.commit(.put(key, value: Bytes(value), expecting: .absent, lifetime: nil))
    }

    private func run(_ test: @Sendable @escaping (TestServer, Scene) async throws -> Void) async throws {
        let scene = Scene()
        try await MountedRoutes.run { broker in
            JobRoutes(
                broker: broker,
                serving: Set(JobRoutes.Action.allCases),
                access: { scene.access },
                audit: scene.lines.audit
            )
        } _: { server in
            try await test(server, scene)
        }
    }

    private func names(_ server: TestServer) async throws -> [String] {
        var names: [String] = [], cursor: String?
        repeat {
            let page = try await server.get("/schedules" + (cursor.map { "?cursor=\($0)" } ?? "")).json
            names += page["schedules"].elements.compactMap { $0["name"].string }
            cursor = page["next_cursor"].string
        } while cursor != nil
        return names.sorted()
    }

    @Test("a schedule is shown with its last and next firing, and as late when nobody fires it")
    func list() async throws {
        try await run { server, _ in
            try await Self.put("late", "mail", #"{"last":"2020-01-01T00:00:00.000Z","next":"2020-01-02T00:00:00.000Z"}"#, server)
            let schedule = try await server.get("/schedules").json["schedules"][0]
            #expect(
                schedule.raw
                    == #"{"name":"late","queue":"mail","last_at":"2020-01-01T00:00:00.000Z","next_at":"2020-01-02T00:00:00.000Z","late":true}"#
            )
            try await Self.put("new", "mail", #"{"last":"2020-01-01T00:00:00.000Z","next":"2120-01-01T00:00:00.000Z"}"#, server)
            let all = try await server.get("/schedules").json["schedules"].elements
            #expect(all.first { $0["name"].string == "new" }?["late"].bool == false)
        }
    }

    @Test("whatever else a store has in small records, its schedules are found")
    func amongOthers() async throws {
        try await run { server, _ in
            for start in stride(from: 0, to: 12_000, by: 1_000) {
                let others = (start..<(start + 1_000)).map { number in
                    Operation.put(RecordKey("other:\(number)"), value: "1", expecting: .anything, lifetime: nil)
                }
                _ = try await server.broker.commit([Transaction(others)])[0].get()
            }
            try await Self.put("nightly", "reports", "{}", server)
            #expect(try await names(server) == ["nightly"])
            #expect(try await server.send("DELETE", "/schedules/nightly").status == 204)
            #expect(try await names(server).isEmpty)
        }
    }

    @Test("one is forgotten by its name, and its queue where that does not tell; who did it is written down")
    func forget() async throws {
        try await run { server, scene in
            try await Self.put("a/b", "mail", "{}", server)
            try await Self.put("twice", "mail", "{}", server)
            try await Self.put("twice", "other", "{}", server)
            #expect(try await server.send("DELETE", "/schedules/a%2Fb").status == 204)
            let ambiguous = try await server.send("DELETE", "/schedules/twice")
            #expect(try ambiguous.status == 400 && ambiguous.json["field"].string == "queue")
            #expect(try await server.send("DELETE", "/schedules/twice?queue=other").status == 204)
            #expect(try await server.send("DELETE", "/schedules/twice?queue=other").json["code"].string == "schedule_not_found")
            #expect(try await server.send("DELETE", "/schedules/none").status == 404)
            #expect(try await names(server) == ["twice"])
            #expect(scene.lines.takeDeeds() == ["forget queue=mail schedule=a%2Fb", "forget queue=other schedule=twice"])
        }
    }

    @Test("a token for some queues sees and forgets those of its queues alone")
    func limited() async throws {
        try await run { server, scene in
            try await Self.put("nightly", "mail", "{}", server)
            try await Self.put("nightly", "billing", "{}", server)
            try await Self.put("monthly", "billing", "{}", server)
            scene.become("mail")
            #expect(try await names(server) == ["nightly"])
            #expect(try await server.send("DELETE", "/schedules/monthly").status == 404)
            #expect(try await server.send("DELETE", "/schedules/monthly?queue=billing").status == 403)
            #expect(try await server.send("DELETE", "/schedules/nightly").status == 204, "of those that it sees it is the only one")
            scene.become()
            #expect(try await names(server) == ["monthly", "nightly"])
        }
    }
}
