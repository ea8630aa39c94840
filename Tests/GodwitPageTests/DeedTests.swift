import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("What is done from the page", .serialized)
struct DeedTests {
    @Test(
        "a form of another site, another port or of nobody does nothing",
        arguments: [
            "http://evil.example", "http://localhost:1", "null", "http://localhost.evil.example", nil,
        ]
    )
    func foreign(origin: String?) async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            for path in ["/page/do", "/page/login", "/page/logout"] {
                let reply = try await server.press(path, "do=purge&queue=mail", origin: origin)
                #expect(reply.status == 403, "\(path)")
            }
            // Browsers that send no Origin say it in another way.
            let crossSite = [("Sec-Fetch-Site", "cross-site")]
            #expect(try await server.press("/page/do", "do=purge&queue=mail", origin: nil, headers: crossSite).status == 403)
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 1)
        }
    }

    @Test("a form of this server is taken, by its Origin or by Sec-Fetch-Site")
    func own() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            #expect(try await server.press("/page/do", "do=pause&queue=mail").status == 303)
            #expect(try await server.get("/v1/queues/mail").json["paused"].bool == true)
            let same = [("Sec-Fetch-Site", "same-origin")]
            #expect(try await server.press("/page/do", "do=resume&queue=mail", origin: nil, headers: same).status == 303)
            #expect(try await server.get("/v1/queues/mail").json["paused"].bool == false)
        }
    }

    @Test("following a link does nothing, and neither does a form that says nothing")
    func links() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            #expect(try await server.get("/page/do?do=purge&queue=mail").status == 405)
            for form in ["", "do=explode&queue=mail", "do=purge", "do=retry", "do=purge&queue=", "do=%zz"] {
                #expect(try await server.press("/page/do", form).status == 400, "\(form)")
            }
            #expect(try await server.press("/page/do", "do=purge&queue=nothing").status == 404)
            #expect(try await server.press("/page/do", "do=retry&job=nothing").status == 404)
            let json = try await server.send(
                "POST",
                "/page/do",
                headers: [("Origin", "http://localhost"), ("Content-Type", "application/json")],
                body: "{}"
            )
            #expect(json.status == 415)
            #expect(try await server.press("/page/do", "do=purge&x=" + String(repeating: "x", count: 20_000)).status == 413)
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 1)
        }
    }

    @Test("a purge says first how many jobs it is about, and afterwards how many it was")
    func purge() async throws {
        try await TestServer.run { server in
            for _ in 0..<3 { _ = try await server.publish("mail") }
            _ = try await server.publish("mail", query: "?delay=1h")
            _ = try await server.lease("mail")
            let question = try await server.get("/page/confirm?do=purge&queue=mail")
            #expect(question.shows("3 jobs that wait (2 queued, 1 scheduled, 0 retrying) will end as cancelled. 1 running go on."))
            #expect(question.shows("Purge 3 jobs"))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 2)
            let done = try await server.press("/page/do", "do=purge&queue=mail")
            #expect(done["location"] == "/page/queue?name=mail")
            let page = try await server.get("/page/queue?name=mail", headers: [try done.cookie])
            #expect(page.shows("Purged: 3 jobs that waited ended as cancelled."))
            #expect(page["set-cookie"]?.hasPrefix("\(PageCookie.Kind.note.rawValue)=; ") == true)
            #expect(try await server.get("/page/confirm?do=purge&queue=mail").shows("Nothing to do"))
        }
    }

    @Test("a queue is deleted with all that is in it, after the count was shown")
    func delete() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            _ = try await server.failed("mail")
            #expect(try await server.get("/page/confirm?do=delete&queue=mail").shows("Delete the queue and 2 jobs"))
            #expect(try await server.pressAndLook("do=delete&queue=mail").shows("The queue was deleted."))
            #expect(try await server.get("/v1/queues/mail").status == 404)
        }
    }

    @Test("dead letters of a queue are redriven, after their count was shown")
    func redrive() async throws {
        try await TestServer.run { server in
            for _ in 0..<2 { _ = try await server.failed("mail") }
            #expect(try await server.get("/page/confirm?do=redrive&queue=mail").shows("Redrive 2 jobs"))
            #expect(try await server.pressAndLook("do=redrive&queue=mail").shows("Redriven: 2 jobs."))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 2)
        }
    }

    @Test("what one press of a button leaves the next one goes on with")
    func redriveGoesOn() async throws {
        try await TestServer.run { server in
            for _ in 0..<3 { _ = try await server.failed("mail") }
            let first = try await server.post("/v1/queues/mail/redrive?limit=1", "")
            let next = try #require(try first.json["next_cursor"].string)
            let question = try await server.get("/page/confirm?do=redrive&queue=mail&from=\(next)&count=1&refused=2")
            #expect(question.shows("1 job got another chance so far. 2 jobs stayed."))
            #expect(question.text.contains("name=\"from\" value=\"\(PageEscaping.attribute(next))\""))
            // What did not go is not forgotten from press to press.
            #expect(question.text.contains("name=\"refused\" value=\"2\""))
            let page = try await server.pressAndLook("do=redrive&queue=mail&from=\(next)&count=1&refused=2")
            #expect(page.shows("Redriven: 3 jobs. 2 jobs stayed"))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 3)
        }
    }

    @Test("one dead letter goes back to the queue that it came from")
    func redriveOne() async throws {
        try await TestServer.run { server in
            for queue in ["mail", "dead"] { _ = try await server.send("PUT", "/v1/queues/\(queue)", body: "{}") }
            let set = try await server.send("PATCH", "/v1/queues/mail", body: #"{"dead_letter_queue": "dead"}"#)
            #expect(set.status == 200)
            _ = try await server.failed("mail")
            let letter = try #require(try await server.get("/v1/jobs?queue=dead").json["jobs"][0]["id"].string)
            #expect(try await server.get("/page/job?id=\(letter)").text.contains("value=\"redrive-job\""))
            #expect(try await server.pressAndLook("do=redrive-job&job=\(letter)").shows("The job got another chance."))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 1)
            #expect(try await server.get("/v1/queues/dead").json["counts"]["queued"].int == 0)
        }
    }

    @Test("each button has one place, whatever the state: what cannot be done now is off")
    func places() async throws {
        try await TestServer.run { server in
            func buttons(_ path: String) async throws -> [String] {
                let page = try await server.get(path).text
                return page.split(separator: "<form data-key=\"").dropFirst().map { form in
                    form.prefix { $0 != "\"" } + (form.prefix { $0 != "\n" }.contains(" disabled") ? " off" : "")
                }
            }
            let id = try await server.publish("mail", query: "?delay=1h")
            #expect(try await buttons("/page/job?id=\(id)") == ["retry", "cancel", "forget off"])
            _ = try await server.press("/page/do", "do=retry&job=\(id)")
            #expect(try await buttons("/page/job?id=\(id)") == ["retry off", "cancel", "forget off"])
            _ = try await server.press("/page/do", "do=cancel&job=\(id)")
            #expect(try await buttons("/page/job?id=\(id)") == ["retry", "cancel off", "forget"])
            #expect(try await buttons("/page/queue?name=mail") == ["pause", "resume off", "redrive", "purge", "delete"])
            _ = try await server.press("/page/do", "do=pause&queue=mail")
            #expect(try await buttons("/page/queue?name=mail") == ["pause off", "resume", "redrive", "purge", "delete"])
        }
    }

    @Test("a job is retried, cancelled and forgotten")
    func job() async throws {
        try await TestServer.run { server in
            let id = try await server.failed("mail")
            let page = try await server.get("/page/job?id=\(id)")
            #expect(page.shows("Retry"))
            #expect(try await server.pressAndLook("do=retry&job=\(id)").shows("The job runs again."))
            #expect(try await server.get("/v1/jobs/\(id)").json["state"].string == "queued")
            #expect(try await server.press("/page/do", "do=cancel&job=\(id)").status == 303)
            #expect(try await server.get("/v1/jobs/\(id)").json["state"].string == "cancelled")
            let question = try await server.get("/page/confirm?do=forget&job=\(id)")
            #expect(question.shows("Forget 1 job"))
            #expect(try await server.press("/page/do", "do=forget&job=\(id)")["location"] == "/page/jobs?queue=mail")
            #expect(try await server.get("/page/job?id=\(id)").status == 410)
        }
    }
}
