import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("The operators' page", .serialized)
struct PagesTests {
    @Test("the root leads to the page; its parts are there; nothing of it comes from elsewhere or runs in it")
    func root() async throws {
        try await TestServer.run { server in
            let root = try await server.get("/")
            #expect(root.status == 302)
            #expect(root["location"] == "/page")
            let page = try await server.get("/page")
            #expect(page.status == 200)
            #expect(page["content-type"] == "text/html; charset=utf-8")
            #expect(page["cache-control"] == "no-store")
            let policy = try #require(page["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(!policy.contains("unsafe"))
            #expect(page["x-content-type-options"] == "nosniff")
            #expect(page.shows("No queue yet."))
            for link in page.links where link != "#main" {
                let answer = try await server.get(link)
                #expect(answer.status == 200, "\(link)")
            }
            #expect(!page.text.contains("://"))
            #expect(try await server.send("HEAD", "/page").status == 200)
            #expect(try await server.send("DELETE", "/page").status == 405)
            #expect(try await server.get("/page/nothing").status == 404)
            #expect(try await server.get("/page?nonsense=1").status == 400)
        }
    }

    @Test("a queue is shown with its jobs by state, refusals and the age of the oldest, and each number leads to those jobs")
    func queues() async throws {
        try await TestServer.run { server in
            for _ in 0..<3 { _ = try await server.publish("mail") }
            _ = try await server.lease("mail")
            _ = try await server.failed("reports")
            _ = try await server.send(
                "PATCH",
                "/v1/queues/mail",
                headers: [("Content-Type", "application/json")],
                body: #"{"max_jobs": 3}"#
            )
            #expect(try await server.post("/v1/queues/mail/jobs", "{}").status == 503)
            let page = try await server.get("/page")
            #expect(
                page.text.contains(
                    "<td data-label=\"Queued\" class=\"number \"><a href=\"/page/jobs?queue=mail&amp;state=queued\">2</a></td>"
                )
            )
            #expect(
                page.text.contains(
                    "<td data-label=\"Running\" class=\"number \"><a href=\"/page/jobs?queue=mail&amp;state=running\">1</a></td>"
                )
            )
            #expect(
                page.text.contains(
                    "<td data-label=\"Failed\" class=\"number bad\"><a href=\"/page/jobs?queue=reports&amp;state=failed\">1</a></td>"
                )
            )
            #expect(page.text.contains("<td data-label=\"Expired\" class=\"number zero\">0</td>"))
            #expect(page.text.contains("<td data-label=\"Refused\" class=\"number warn\">1</td>"))
            #expect(page.text.contains("<td data-label=\"Oldest\" class=\"number \">0 s</td>"))
            let queue = try await server.get("/page/queue?name=mail")
            #expect(queue.shows("Unfinished 3 of 3"))
            #expect(queue.shows("Refused 1"))
            #expect(queue.shows("When full newcomers are refused"))
            #expect(try await server.get("/page/queue?name=nothing").status == 404)
            #expect(try await server.get("/page/queue").status == 400)
        }
    }

    @Test("many queues are on several pages")
    func manyQueues() async throws {
        let broker = try await TestServer.engine()
        for number in 0..<(QueuesView.most + 3) {
            _ = try await broker.configure(QueueName("queue-\(1_000 + number)"), QueueSettings(), expecting: .absent)
        }
        try await TestServer.run(broker: broker) { server in
            let first = try await server.get("/page")
            #expect(first.shows("50 of 53 queues"))
            let second = try await server.get(try #require(first.link("More queues")))
            #expect(second.shows("queue-1050"))
            #expect(!second.shows("queue-1049"))
            #expect(second.shows("3 of 53 queues"))
        }
    }

    @Test("jobs are listed by state, queue and name, the filter stays in every address, and pages follow each other without a gap")
    func jobs() async throws {
        try await TestServer.run { server in
            for number in 0..<120 { _ = try await server.publish("mail", "{}", query: "?name=\(number % 2 == 0 ? "even" : "odd%26")") }
            _ = try await server.publish("other")
            var path = "/page/jobs?state=queued&queue=mail&name=&reason=&order="
            var seen: Set<String> = [], pages = 0
            while true {
                let page = try await server.get(path)
                #expect(page.status == 200)
                #expect(page.shows("120 jobs in all."))
                let jobs = page.links.filter { $0.hasPrefix("/page/job?id=") }
                for job in jobs { #expect(seen.insert(job).inserted) }
                pages += 1
                guard let next = page.link("Next page") else { break }
                #expect(next.hasPrefix("/page/jobs?state=queued&queue=mail&cursor="))
                path = next
            }
            #expect(seen.count == 120)
            #expect(pages == 3)

            let named = try await server.get("/page/jobs?name=odd%26&order=oldest")
            #expect(named.text.contains("<bdi>odd&amp;</bdi>"))
            #expect(!named.text.contains("<bdi>even</bdi>"))
            #expect(named.text.contains("value=\"odd&#x26;\""))
            #expect(named.text.contains("<option value=\"oldest\" selected>"))
            #expect(try await server.get("/page/jobs?state=expired").shows("No such job."))
            #expect(try await server.get("/page/jobs?state=sideways").status == 400)
            #expect(try await server.get("/page/jobs?cursor=sideways").status == 400)
        }
    }

    @Test("a job is shown with its attempts, errors, headers, payload, progress and who holds it")
    func job() async throws {
        try await TestServer.run { server in
            let reply = try await server.post(
                "/v1/queues/mail/jobs?name=welcome&priority=7",
                #"{"to":"ada@example.com"}"#,
                headers: [("Godwit-Header-Tenant", "acme")]
            )
            let id = try #require(try reply.json["id"].string)
            let lease = try #require(try await server.lease("mail", query: "?holder=worker-7")["lease"].string)
            _ = try await server.post("/v1/leases/\(lease)/progress", #"{"fraction": 0.25, "note": "rendering"}"#)
            var page = try await server.get("/page/job?id=\(id)")
            #expect(page.status == 200)
            #expect(page.shows("welcome running"))
            #expect(page.shows("Held by worker-7"))
            #expect(page.shows("25 % rendering"))
            #expect(page.text.contains("{\n  &quot;to&quot;: &quot;ada@example.com&quot;\n}"))
            #expect(page.shows("24 B, application/json"))
            #expect(page.shows("tenant acme"))
            #expect(page.shows("Priority 7"))
            #expect(page.shows("Cancel the job"))
            #expect(page.text.contains("<button class=\"grave\" disabled>Forget…"))

            let workers = try await server.get("/page/workers")
            #expect(workers.shows("1 worker holds 1 job."))
            #expect(workers.shows("worker-7 1 job of mail"))

            _ = try await server.post("/v1/leases/\(lease)/complete", #"{"sent":true}"#)
            page = try await server.get("/page/job?id=\(id)")
            #expect(page.shows("welcome succeeded"))
            #expect(page.text.contains("{\n  &quot;sent&quot;: true\n}"))
            #expect(page.shows("Forget…"))
            #expect(try await server.get("/page/workers").shows("No job is running."))
            #expect(try await server.get("/page/job?id=nothing").status == 404)
        }
    }

    @Test("a dead letter shows what it died of, where, and leads there")
    func deadLetter() async throws {
        try await TestServer.run { server in
            _ = try await server.send("PUT", "/v1/queues/dead", headers: [("Content-Type", "application/json")], body: "{}")
            _ = try await server.send(
                "PUT",
                "/v1/queues/mail",
                headers: [("Content-Type", "application/json")],
                body: #"{"dead_letter_queue": "dead", "max_attempts": 1}"#
            )
            let id = try await server.failed("mail", message: "no such mailbox")
            let page = try await server.get("/page/job?id=\(id)")
            #expect(page.shows("no such mailbox"))
            let list = try await server.get("/page/jobs?queue=dead")
            let letter = try #require(list.links.first { $0.hasPrefix("/page/job?id=") })
            let dead = try await server.get(letter)
            #expect(dead.shows("What it died of before"))
            #expect(dead.links.contains("/page/job?id=\(id)"))
            #expect(dead.shows("Redrive"))
        }
    }

    @Test("schedules are shown with their last and next firing, from the records of those who fire them")
    func schedules() async throws {
        let broker = try await TestServer.engine()
        let record = RecordKey("schedule:trends", home: .queue(try QueueName("work")))
        let value = Bytes(#"{"last":"2026-01-01T00:00:00.000Z","next":"2999-01-01T00:00:00.000Z"}"#)
        _ = try await broker.commit(.put(record, value: value, expecting: .absent, lifetime: nil))
        _ = try await broker.commit(.put(RecordKey("other"), value: value, expecting: .absent, lifetime: nil))
        let late = RecordKey("schedule:late", home: .queue(try QueueName("work")))
        _ = try await broker.commit(
            .put(late, value: Bytes(#"{"last":"2026-01-01T00:00:00Z","next":"2026-01-02T00:00:00Z"}"#), expecting: .absent, lifetime: nil)
        )
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/schedules")
            #expect(page.text.contains("<bdi>trends</bdi>"))
            #expect(page.text.contains("datetime=\"2999-01-01T00:00:00.000Z\""))
            #expect(page.text.contains("datetime=\"2026-01-01T00:00:00.000Z\""))
            #expect(page.shows("2999-01-01 00:00:00 UTC"), "not only for who has a pointer")
            #expect(!page.text.contains("<bdi>other</bdi>"))
            #expect(page.plain.split(separator: "no worker fires it").count == 2)
        }
    }

    @Test("a schedule that is in no program any more is forgotten, after the page has said what goes")
    func forgetSchedule() async throws {
        let broker = try await TestServer.engine()
        let record = RecordKey("schedule:<late>", home: .queue(try QueueName("work")))
        _ = try await broker.commit(.put(record, value: Bytes(#"{"last":"2026-01-01T00:00:00Z"}"#), expecting: .absent, lifetime: nil))
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/schedules")
            #expect(page.text.contains("name=\"schedule\" value=\"&#x3c;late&#x3e;\""))
            #expect(page.text.contains("aria-label=\"Forget &lt;late&gt;…\""))
            let path = "/page/confirm?do=forget-schedule&schedule=%3Clate%3E&queue=work"
            #expect(try await server.get(path).shows("1 schedule of the queue work"))
            let done = try await server.pressAndLook("do=forget-schedule&schedule=%3Clate%3E&queue=work")
            #expect(done.shows("The schedule was forgotten."))
            #expect(done.shows("No schedule has been seen yet."))
            #expect(try await broker.read([record]) == [nil])
            #expect(try await server.get(path).status == 404)
        }
    }

    @Test("what never changes of a job is sent once, however often its progress does; its result comes when there is one")
    func unchanging() async throws {
        try await TestServer.run { server in
            let id = try await server.publish("mail", #"{"to":"ada"}"#)
            let lease = try #require(try await server.lease("mail")["lease"].string)
            let page = try await server.get("/page/job?id=\(id)")
            let parts = page.text.split(separator: "<div id=\"foot\">")
            #expect(parts.count == 2)
            #expect(!parts[0].contains("Payload") && parts[1].contains("&quot;ada&quot;"))
            let connection = try await server.connect()
            try await connection.request("GET", "/page/job?id=\(id)", headers: [("Accept", "text/event-stream")])
            _ = try await connection.head()
            func next() async throws -> String { String(decoding: try #require(try await connection.chunk()), as: UTF8.self) }
            #expect(try await !next().contains("Payload"))
            _ = try await server.post("/v1/leases/\(lease)/progress", #"{"fraction": 0.25}"#)
            let second = try await next()
            #expect(second.contains("25 %") && !second.contains("Payload"))
            _ = try await server.post("/v1/leases/\(lease)/complete", #"{"sent":true}"#)
            let third = try await next()
            #expect(third.contains("&quot;sent&quot;: true") && !third.contains("Payload"))
        }
    }
}
