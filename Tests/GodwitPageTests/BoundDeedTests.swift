import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("A deed is done to no more than was said, and says what became of each", .serialized)
struct BoundDeedTests {
    /// One that failed and whose claim another job owns now, and one that failed after it.
    private static func claimed(_ server: TestServer) async throws {
        _ = try await server.failed("mail", query: "?claim=ada")
        _ = try await server.failed("mail")
        _ = try await server.publish("mail", query: "?claim=ada")
    }

    @Test("a job whose claim another one owns stays, and keeps no other from being retried", arguments: ["retry-these", "redrive-these"])
    func claim(deed: String) async throws {
        try await TestServer.run { server in
            try await Self.claimed(server)
            let question = try await server.get("/page/confirm?do=\(deed)&state=failed&queue=mail")
            #expect(question.shows("2 jobs"))
            let done = try await server.pressAndLook(question.form)
            #expect(done.shows(": 1 job. 1 job stayed"))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["failed"].int == 1)
        }
    }

    @Test("a queue's dead letters are redriven past one whose claim another job owns")
    func claimInQueue() async throws {
        try await TestServer.run { server in
            try await Self.claimed(server)
            let question = try await server.get("/page/confirm?do=redrive&queue=mail")
            #expect(try await server.pressAndLook(question.form).shows("Redriven: 1 job. 1 job stayed"))
            let page = try await server.post("/v1/queues/mail/redrive", "")
            #expect(page.status == 200)
            #expect(try page.json["refused"].int == 1)
        }
    }

    @Test("jobs that come into the state after they were counted are asked about again")
    func laterState() async throws {
        try await TestServer.run { server in
            var scheduled: [String] = []
            for _ in 0..<3 { scheduled.append(try await server.publish("mail", query: "?delay=1h")) }
            for _ in 0..<2 { _ = try await server.publish("mail") }
            let question = try await server.get("/page/confirm?do=cancel-these&state=queued")
            #expect(question.shows("Cancel 2 jobs"))
            // They are older than those that were counted.
            for id in scheduled { _ = try await server.post("/v1/jobs/\(id)/retry") }
            let again = try await server.pressAndLook(question.form)
            #expect(try await server.get("/v1/queues/mail").json["counts"]["cancelled"].int == 2)
            #expect(again.shows("2 jobs were cancelled so far"))
            #expect(again.shows("Cancel 3 jobs"))
            #expect(try await server.pressAndLook(again.form).shows("Cancelled: 5 jobs."))
        }
    }

    @Test("what has grown since it was counted is asked about again, once", arguments: ["purge", "delete", "redrive"])
    func grown(deed: String) async throws {
        try await TestServer.run { server in
            func add() async throws {
                _ = deed == "redrive" ? try await server.failed("mail") : try await server.publish("mail")
            }
            for _ in 0..<2 { try await add() }
            let question = try await server.get("/page/confirm?do=\(deed)&queue=mail")
            try await add()
            let before = try await server.get("/v1/queues/mail").text
            let again = try await server.pressAndLook(question.form)
            #expect(again.shows("2 jobs were shown"))
            #expect(again.shows("3 jobs"))
            #expect(try await server.get("/v1/queues/mail").text == before, "nothing was done")
            // Where jobs come all the time, nobody is asked for ever.
            try await add()
            let done = try await server.press("/page/do", again.form)
            #expect(done["location"]?.hasPrefix("/page/confirm") == false)
        }
    }

    @Test("where none was shown none is done to: what came since is asked about", arguments: ["purge", "delete", "redrive"])
    func grownFromNone(deed: String) async throws {
        try await TestServer.run { server in
            // One that is finished counts for no deed but the redriving of those that failed.
            let old = try await server.publish("mail")
            _ = try await server.post("/v1/jobs/\(old)/cancel")
            if deed == "redrive" { _ = try await server.publish("mail", query: "?delay=1h") }
            let question = try await server.get("/page/confirm?do=\(deed)&queue=mail")
            let form = question.form.isEmpty ? "do=\(deed)&queue=mail&shown=0" : question.form
            #expect(form.contains("shown=0"))
            _ = deed == "redrive" ? try await server.failed("mail") : try await server.publish("mail")
            let before = try await server.get("/v1/queues/mail").text
            let again = try await server.pressAndLook(form)
            #expect(again.shows("there are more now"))
            #expect(try await server.get("/v1/queues/mail").text == before, "nothing was done")
        }
    }

    @Test("numbers that somebody else wrote into a form stop nothing", arguments: ["count", "refused", "left"])
    func strangeNumbers(field: String) async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            let end = try await server.broker.list(JobQuery()).end
            let done = try await server.press("/page/do", "do=cancel-these&state=queued&end=\(end)&\(field)=\(Int.max)")
            #expect(done.status == 303)
            #expect(try await server.get("/v1/queues/mail").json["counts"]["cancelled"].int == 1)
        }
    }

    @Test("dead letters that went to another queue are said to stay, and did", arguments: ["retry-these", "redrive-these"])
    func elsewhere(deed: String) async throws {
        try await TestServer.run { server in
            try await Self.sendOn(server)
            let question = try await server.get("/page/confirm?do=\(deed)&state=failed&queue=mail")
            #expect(question.shows("went to another queue"))
            // What is walked through is known to be nothing.
            #expect(question.shows(deed == "retry-these" ? "Retry up to 2 jobs" : "2 more jobs stay"))
            #expect(question.shows("Nothing to do") == (deed == "redrive-these"))
            #expect(try await server.pressAndLook(question.form).shows(": 0 jobs. 2 jobs stayed"))
        }
    }

    @Test("a queue whose dead letters go elsewhere says so, and how many stayed")
    func queueElsewhere() async throws {
        try await TestServer.run { server in
            try await Self.sendOn(server)
            let question = try await server.get("/page/confirm?do=redrive&queue=mail")
            #expect(question.shows("went to another queue"))
            #expect(question.shows("Redrive up to 2 jobs"))
            #expect(try await server.pressAndLook(question.form).shows("Redriven: 0 jobs. 2 jobs stayed"))
        }
    }

    @Test("a job whose dead letter went elsewhere cannot be retried, and leads there")
    func oneElsewhere() async throws {
        try await TestServer.run { server in
            try await Self.sendOn(server)
            let id = try #require(try await server.get("/v1/jobs?queue=mail&state=failed").json["jobs"][0]["id"].string)
            let page = try await server.get("/page/job?id=\(id)")
            let retry = try #require(page.text.split(separator: "<form data-key=\"retry\"").dropFirst().first?.prefix { $0 != "\n" })
            #expect(retry.contains(" disabled"))
            #expect(page.links.contains { $0.hasPrefix("/page/jobs?queue=dead") })
            // One whose dead letter stayed is as it was.
            let other = try await server.failed("other")
            #expect(try await server.pressAndLook("do=retry&job=\(other)").shows("The job runs again."))
        }
    }

    private static func sendOn(_ server: TestServer) async throws {
        for queue in ["mail", "dead"] { _ = try await server.send("PUT", "/v1/queues/\(queue)", body: "{}") }
        #expect(try await server.send("PATCH", "/v1/queues/mail", body: #"{"dead_letter_queue": "dead"}"#).status == 200)
        for _ in 0..<2 { _ = try await server.failed("mail") }
    }

    @Test(
        "an error in the middle of a batch loses no count: what was done is in the audit and on the page",
        arguments: ["retry-these", "redrive"]
    )
    func midBatch(deed: String) async throws {
        let lines = LogLines()
        let broker = HookedBroker(try await TestServer.engine())
        var faulty = broker
        faulty.refusals = { transactions in transactions.count == 5 ? [1: BrokerError(.diskFull, "no room is left")] : [:] }
        try await TestServer.run(broker: faulty, audit: lines.audit) { server in
            for _ in 0..<5 { _ = try await server.failed("mail") }
            _ = lines.takeDeeds()
            let question = try await server.get("/page/confirm?do=\(deed)&queue=mail\(deed == "redrive" ? "" : "&state=failed")")
            let page = try await server.pressAndLook(question.form)
            #expect(lines.takeDeeds().map { $0.hasSuffix("jobs=4") } == [true])
            #expect(page.shows("no room is left"))
            #expect(page.shows("4 jobs") && page.shows("so far"))
            #expect(try await server.pressAndLook(page.form).shows(": 5 jobs."))
        }
    }
}
