import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("Jobs that are far apart", .serialized)
struct SearchTests {
    /// One job under many others.
    private static func store(_ first: NewMessage, others: Int) async throws -> (any Broker, JobID) {
        let broker = try await TestServer.engine(segmentBytes: 32 << 20)
        let id = try #require(try await broker.commit(.enqueue(first)).jobID)
        let message = NewMessage(queue: try QueueName("others"), payload: Content(Bytes("{}")))
        for _ in 0..<(others / 1_000) { _ = try await broker.commit([Transaction((0..<1_000).map { _ in .enqueue(message) })]) }
        return (broker, id)
    }

    /// Where the page asks for what keeps it up to date.
    private static func stream(_ page: HTTPReply) -> String? {
        page.text.split(separator: "<div id=\"part\" data-stream=\"").dropFirst().first.map {
            String($0.prefix { $0 != "\"" }).replacing("&amp;", with: "&")
        }
    }

    @Test("what a search found stays when the page is kept up to date, and is as it is now: nothing is looked for again")
    func stays() async throws {
        var message = NewMessage(queue: try QueueName("mail"), payload: Content(Bytes("{}")))
        message.name = "rare"
        let (broker, id) = try await Self.store(message, others: 5_000)
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/jobs?name=rare")
            #expect(page.text.contains(id.description))
            let stream = try #require(Self.stream(page))
            #expect(stream.hasPrefix("/page/jobs?name=rare&shown=\(id)"))
            // What is published now is not in the list that somebody reads.
            let late = try await server.publish("mail", query: "?name=rare")
            _ = try await server.post("/v1/jobs/\(id)/cancel")
            let connection = try await server.connect()
            try await connection.request("GET", stream, headers: [("Accept", "text/event-stream")])
            _ = try await connection.head()
            let first = String(decoding: try #require(try await connection.chunk()), as: UTF8.self)
            #expect(first.contains(id.description))
            #expect(first.contains("state cancelled"))
            #expect(!first.contains(late))
            // Where nothing was found nothing is kept up to date, and so nothing is searched for again.
            let none = try await server.get("/page/jobs?name=nothing")
            #expect(!none.text.contains("<tr data-key"))
            #expect(!none.text.contains("<script"))
            let over = try await server.get("/page/jobs?name=nothing", headers: [("Accept", "text/event-stream")])
            #expect(over.text.hasSuffix("event: over\ndata: stay\n\n"))
            // What needs no search follows what comes.
            #expect(Self.stream(try await server.get("/page/jobs?queue=mail")) == nil)
        }
    }

    @Test("many jobs with one name fill a page, and no more")
    func manyFound() async throws {
        let broker = try await TestServer.engine()
        var message = NewMessage(queue: try QueueName("mail"), payload: Content(Bytes("{}")))
        message.name = "common"
        _ = try await broker.commit([Transaction((0..<1_000).map { [message] _ in .enqueue(message) })])
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/jobs?name=common")
            #expect(page.links.count { $0.hasPrefix("/page/job?id=") } == JobsView.most)
            #expect(page.link("Next page") != nil)
        }
    }

    @Test("a token for some queues finds their jobs under any number of others")
    func restricted() async throws {
        let message = NewMessage(queue: try QueueName("mail.in"), payload: Content(Bytes("{}")))
        let (broker, id) = try await Self.store(message, others: 40_000)
        let tokens = """
            {"name": "mail", "token": "operator-of-mail-queues", "scopes": ["admin"], "queues": ["mail*"]},
            {"name": "ops", "token": "operator-of-all-the-queues", "scopes": ["admin"]}
            """
        try await withTokenFile(tokens) { options in
            try await TestServer.run(options, broker: broker) { server in
                let mailer = [("Authorization", "Bearer operator-of-mail-queues")]
                for path in ["/page/jobs", "/page/jobs?state=queued", "/page/jobs?order=oldest"] {
                    let page = try await server.get(path, headers: mailer)
                    #expect(page.text.contains(id.description), "\(path)")
                    #expect(page.shows("1 job in all."))
                    #expect(!page.shows("others"))
                    // All there are were found: the rest of the store is not looked through.
                    #expect(page.link("Next page") == nil)
                }
                // What is done to all of a filter's jobs is done to those that may be seen.
                let end = try await broker.list(JobQuery()).end
                let done = try await server.press("/page/do", "do=cancel-these&state=queued&end=\(end)", headers: mailer)
                #expect(done.status == 303)
                let queues = try await broker.queues()
                #expect(queues.first { $0.name.description == "mail.in" }?.counts.cancelled == 1)
                #expect(queues.first { $0.name.description == "others" }?.counts.queued == 40_000)
                #expect(try await server.press("/page/do", "do=forget-schedule&schedule=a&queue=others", headers: mailer).status == 403)
                #expect(try await server.get("/page/confirm?do=forget-schedule&schedule=a&queue=others", headers: mailer).status == 403)

                // The oldest running jobs of these queues, whoever else runs how many.
                let holder = try await broker.open(
                    HolderOptions(id: HolderID("other"), queues: [try QueueName("others")], capacity: 1, isEmbedded: false)
                )
                for _ in 0..<6 { _ = try await holder.lease(max: 1_000, term: .fixed(.seconds(3_600)), wait: .zero) }
                let own = try await server.post("/v1/queues/mail.in/jobs", "{}", headers: mailer)
                #expect(own.status == 202)
                #expect(try await server.post("/v1/queues/mail.in/leases?holder=mine", headers: mailer).status == 200)
                let workers = try await server.get("/page/workers", headers: mailer)
                #expect(workers.shows("1 worker holds 1 job."))
                let all = try await server.get("/page/workers", headers: [("Authorization", "Bearer operator-of-all-the-queues")])
                #expect(all.shows("1 worker holds, among others, 5,000 jobs. Only the oldest 5,000 running jobs are looked at."))
            }
        }
    }
}
