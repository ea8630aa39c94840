import GodwitCore
import GodwitHTTP
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("Queues are found and ordered", .serialized)
struct QueueOrderTests {
    /// The names of the queues on a page, in their order.
    private func names(_ page: HTTPReply) -> [String] {
        page.text.split(separator: "<th scope=\"row\"><a href=\"").dropFirst().compactMap { row in
            row.split(separator: "<bdi>").dropFirst().first.map { String($0.prefix { $0 != "<" }) }
        }
    }

    @Test("by a part of their name and by what is most or oldest in them, equal ones by name")
    func orders() async throws {
        try await TestServer.run { server in
            for (queue, count) in [("alpha", 1), ("beta", 3), ("gamma", 3)] {
                for _ in 0..<count { _ = try await server.publish(queue) }
            }
            _ = try await server.failed("Delta")
            _ = try await server.send("PATCH", "/v1/queues/alpha", body: #"{"max_jobs": 1}"#)
            #expect(try await server.post("/v1/queues/alpha/jobs", "{}").status == 503)
            let expected = [
                "": ["Delta", "alpha", "beta", "gamma"], "queued": ["beta", "gamma", "alpha", "Delta"],
                "failed": ["Delta", "alpha", "beta", "gamma"], "oldest": ["alpha", "beta", "gamma", "Delta"],
                "refused": ["alpha", "Delta", "beta", "gamma"], "running": ["Delta", "alpha", "beta", "gamma"],
                "waiting": ["Delta", "alpha", "beta", "gamma"], "name": ["Delta", "alpha", "beta", "gamma"],
            ]
            for (sort, order) in expected { #expect(try await names(server.get("/page?sort=\(sort)")) == order, "\(sort)") }
            let found = try await server.get("/page?contains=ELTA&sort=queued")
            #expect(names(found) == ["Delta"])
            #expect(found.shows("1 of 1 queue."))
            #expect(found.text.contains("value=\"ELTA\""))
            #expect(found.text.contains("<option value=\"queued\" selected>"))
            #expect(try await server.get("/page?contains=zeta").shows("No queue has that in its name."))
            #expect(try await server.get("/page?sort=sideways").status == 400)
            #expect(try await server.get("/page?sort=queued&skip=sideways").status == 400)
            #expect(try await server.get("/page?sort=queued&skip=\(Int.max)").status == 200)
        }
    }

    @Test("the pages of a search follow each other without a gap, and keep the whole filter", arguments: ["", "queued"])
    func pages(sort: String) async throws {
        let broker = try await TestServer.engine()
        for number in 0..<(QueuesView.most + 3) {
            _ = try await broker.configure(QueueName("queue-\(1_000 + number)"), QueueSettings(), expecting: .absent)
            _ = try await broker.configure(QueueName("other-\(1_000 + number)"), QueueSettings(), expecting: .absent)
        }
        try await TestServer.run(broker: broker) { server in
            let first = try await server.get("/page?contains=queue-&sort=\(sort)")
            #expect(first.shows("50 of 53 queues"))
            let next = try #require(first.link("More queues"))
            #expect(next.hasPrefix("/page?contains=queue-"))
            let second = try await server.get(next)
            #expect(second.shows("3 of 53 queues"))
            #expect(Set(names(first) + names(second)).count == 53)
            let back = try #require(second.link("First"))
            #expect(try await names(server.get(back)) == names(first))
        }
    }

    @Test("a job is opened by its id, as it was copied from somewhere")
    func byID() async throws {
        try await TestServer.run { server in
            let id = try await server.publish("mail", query: "?name=welcome")
            #expect(try await server.get("/page/jobs").text.contains("<form method=\"get\" action=\"/page/job\""))
            #expect(try await server.get("/page/job?id=++\(id)%0A").shows("welcome queued"))
            #expect(try await server.get("/page/job?id=nothing").status == 404)
        }
    }

    @Test("many who look at all queues have the engine tell of them once, and whoever did something sees what became of it")
    func glance() async throws {
        let glance = QueuesGlance()
        let broker = try await TestServer.engine()
        for number in 0..<2_000 { _ = try await broker.configure(QueueName("queue-\(number)"), QueueSettings(), expecting: .absent) }
        let before = try await glance.queues(broker)
        #expect(before.map(\.name) == before.map(\.name).sorted())
        let queue = try QueueName("queue-7")
        try await broker.pause(queue)
        #expect(try await glance.queues(broker, isLive: true).first { $0.name == queue }?.isPaused == false)
        glance.forget()
        #expect(try await glance.queues(broker, isLive: true).first { $0.name == queue }?.isPaused == true)
        await broker.close()
    }
}
