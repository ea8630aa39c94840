import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("What is done to all jobs of a filter", .serialized)
struct FilterDeedTests {
    /// The button on the page of jobs, and what it sends.
    private func button(_ deed: Deed, _ page: HTTPReply) throws -> (fields: [String: String], isOff: Bool) {
        let form = try #require(page.text.split(separator: "<form data-key=\"\(deed.rawValue)\"").dropFirst().first?.prefix { $0 != "\n" })
        var fields: [String: String] = [:]
        for input in form.split(separator: "type=\"hidden\" name=\"").dropFirst() {
            let parts = input.split(separator: "\"", omittingEmptySubsequences: false)
            fields[String(parts[0])] = String(parts[2])
        }
        return (fields, form.contains(" disabled"))
    }

    @Test("the count is shown before it happens, and what is not in the filter, or comes later, is left alone")
    func redrive() async throws {
        try await TestServer.run { server in
            for _ in 0..<3 { _ = try await server.failed("mail", query: "?name=welcome") }
            _ = try await server.failed("mail", query: "?name=monthly")
            _ = try await server.failed("reports", query: "?name=welcome")
            let list = try await server.get("/page/jobs?state=failed&queue=mail&name=welcome")
            var (fields, isOff) = try button(.redriveThese, list)
            #expect(fields.removeValue(forKey: "back")?.hasPrefix("/page/jobs") == true)
            #expect(fields == ["do": "redrive-these", "state": "failed", "queue": "mail", "name": "welcome"])
            #expect(!isOff)
            let question = try await server.get("/page/confirm?do=redrive-these&state=failed&queue=mail&name=welcome")
            #expect(question.shows("3 jobs got no further"))
            #expect(question.shows("failed jobs of mail, named welcome"))
            #expect(question.shows("Redrive 3 jobs"))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["failed"].int == 4)
            let late = try await server.failed("mail", query: "?name=welcome")
            #expect(try await server.pressAndLook(question.form).shows("Redriven: 3 jobs."))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["failed"].int == 2)
            #expect(try await server.get("/v1/jobs/\(late)").json["state"].string == "failed")
            #expect(try await server.get("/v1/queues/reports").json["counts"]["failed"].int == 1)
        }
    }

    @Test("they are retried and cancelled, where their state lets them be")
    func retryAndCancel() async throws {
        try await TestServer.run { server in
            for _ in 0..<4 { _ = try await server.publish("mail") }
            let cancel = try await server.get("/page/confirm?do=cancel-these&state=queued")
            #expect(cancel.shows("4 jobs will end as cancelled"))
            #expect(try await server.pressAndLook(cancel.form).shows("Cancelled: 4 jobs."))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["cancelled"].int == 4)
            let retry = try await server.get("/page/confirm?do=retry-these&state=cancelled")
            #expect(retry.shows("Retry 4 jobs"))
            #expect(try await server.pressAndLook(retry.form).shows("Running again: 4 jobs."))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 4)
            #expect(try await server.get("/page/confirm?do=retry-these&state=failed").shows("Nothing to do"))

            _ = try await server.publish("later", query: "?delay=1h")
            let list = try await server.get("/page/jobs?state=scheduled")
            #expect(list.shows("Run these now…"))
            #expect(try await server.pressAndLook(server.get("/page/confirm?do=retry-these&state=scheduled").form).status == 200)
            #expect(try await server.get("/v1/queues/later").json["counts"]["queued"].int == 1)
        }
    }

    @Test("a button that does not fit the state is off, and its deed is refused")
    func unfit() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            for (state, off) in [("", [false, true, true]), ("queued", [false, true, false])] {
                let page = try await server.get("/page/jobs?queue=mail&state=\(state)")
                #expect(try [Deed.redriveThese, .retryThese, .cancelThese].map { try button($0, page).isOff } == off, "\(state)")
            }
            for form in ["do=retry-these&state=queued&end=1", "do=cancel-these&end=1", "do=cancel-these&state=succeeded&end=1"] {
                #expect(try await server.press("/page/do", form).status == 400, "\(form)")
            }
            #expect(try await server.press("/page/do", "do=cancel-these&state=queued").status == 400, "it says no end")
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 1)
        }
    }

    @Test("what one press leaves the next one goes on with, and sums up")
    func goesOn() async throws {
        let broker = try await TestServer.engine()
        let queue = try QueueName("mail")
        let message = NewMessage(queue: queue, payload: Content(Bytes("{}")))
        for _ in 0..<2 { _ = try await broker.commit([Transaction((0..<Limits.page).map { _ in .enqueue(message) })]) }
        try await TestServer.run(broker: broker) { server in
            let filter = try JobFilter(.everything) { ["state": "queued", "queue": "mail"][$0] }
            let bulk = try BulkDeed(.cancelThese, filter)
            let seen = SeenQueues(queues: try await broker.queues(), isAll: true)
            let forecast = try await bulk.forecast(seen, broker, .everything, patience: .seconds(1))
            #expect(forecast.count == 2 * Limits.page && forecast.isWhole)
            // As a press whose time is over after one step.
            let progress = await bulk.run(.init(left: forecast.count), end: forecast.end, seen, broker, .everything, for: .zero) { _ in }
            #expect(progress.done == Limits.page)
            let cursor = try #require(progress.cursor)
            let path = ConfirmView.path(.cancelThese, filter.items + [("end", forecast.end)] + progress.items)
            let question = try await server.get(path)
            #expect(question.shows("1,000 jobs were cancelled so far."))
            #expect(question.text.contains("name=\"from\" value=\"\(cursor)\""))
            #expect(try await server.pressAndLook(question.form).shows("Cancelled: 2,000 jobs."))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["cancelled"].int == 2 * Limits.page)
        }
    }

    @Test("a count that takes too long says so")
    func tooMany() async throws {
        let broker = try await TestServer.engine()
        let message = NewMessage(queue: try QueueName("mail"), payload: Content(Bytes("{}")))
        for _ in 0..<2 { _ = try await broker.commit([Transaction((0..<Limits.page).map { _ in .enqueue(message) })]) }
        let bulk = try BulkDeed(.cancelThese, try JobFilter(.everything) { ["state": "queued"][$0] })
        let searched = try BulkDeed(.redriveThese, try JobFilter(.everything) { _ in nil })
        let seen = SeenQueues(queues: try await broker.queues(), isAll: true)
        #expect(try await bulk.forecast(seen, broker, .everything, patience: .zero).count == 2 * Limits.page)
        #expect(try await !searched.forecast(seen, broker, .everything, patience: .zero).isWhole)
        await broker.close()
    }
}
