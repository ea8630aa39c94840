import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("Some jobs are chosen, and every way leads back to where they were", .serialized)
struct ChosenTests {
    private static func query(_ ids: [String], _ deed: Deed) -> String {
        "/page/confirm?back=%2Fpage%2Fjobs%3Forder%3Doldest&do=\(deed.rawValue)" + ids.map { "&chosen=\($0)" }.joined()
    }

    @Test("those alone are cancelled and retried, after their number was shown, and the filter is there again")
    func chosen() async throws {
        try await TestServer.run { server in
            var ids: [String] = []
            for _ in 0..<4 { ids.append(try await server.publish("mail")) }
            let list = try await server.get("/page/jobs?order=oldest")
            for id in ids { #expect(list.text.contains("type=\"checkbox\" name=\"chosen\" value=\"\(id)\" form=\"chosen\"")) }
            #expect(list.text.contains("name=\"back\" value=\"/page/jobs?order=oldest\""))
            let two = Array(ids.prefix(2))
            let question = try await server.get(Self.query(two, .cancelChosen))
            #expect(question.shows("Of 2 jobs that you chose 2 will end as cancelled"))
            #expect(question.link("No, go back") == "/page/jobs?order=oldest")
            let done = try await server.press("/page/do", question.form)
            #expect(done["location"] == "/page/jobs?order=oldest")
            #expect(try await server.get("/v1/queues/mail").json["counts"]["cancelled"].int == 2)
            let retry = try await server.get(Self.query(Array(ids.prefix(3)), .retryChosen))
            #expect(retry.shows("Of 3 jobs that you chose 2 will be queued again"))
            #expect(try await server.pressAndLook(retry.form).shows("Running again: 2 jobs. 1 job stayed"))
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 4)
            #expect(try await server.get(Self.query([], .cancelChosen)).shows("No job is chosen"))
            #expect(try await server.get(Self.query((0...100).map { "\($0)" }, .cancelChosen)).status == 400)
        }
    }

    @Test("what is done to all jobs of a filter, or to one of them, leads back to that page of them")
    func back() async throws {
        try await TestServer.run { server in
            let list = "/page/jobs?state=failed&queue=mail&order=oldest"
            let encoded = "%2Fpage%2Fjobs%3Fstate%3Dfailed%26queue%3Dmail%26order%3Doldest"
            let id = try await server.failed("mail")
            _ = try await server.failed("mail")
            let page = try await server.get(list)
            let job = try #require(page.links.first { $0.hasPrefix("/page/job?id=\(id)") })
            #expect(try await server.get(job).links.contains(list))
            let forget = try await server.get("/page/confirm?do=forget&job=\(id)&back=\(encoded)")
            #expect(forget.link("No, go back") == job)
            #expect(try await server.press("/page/do", forget.form)["location"] == list)
            let retry = try await server.get("/page/confirm?do=retry-these&state=failed&queue=mail&back=\(encoded)")
            #expect(retry.link("No, go back") == list)
            #expect(try await server.press("/page/do", retry.form)["location"] == list)
        }
    }

    @Test(
        "a way back leads nowhere but to this page",
        arguments: ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2Fpagevil", "javascript%3A1"]
    )
    func elsewhere(back: String) async throws {
        try await TestServer.run { server in
            _ = try await server.failed("mail")
            let question = try await server.get("/page/confirm?do=retry-these&state=failed&back=\(back)")
            #expect(question.link("No, go back") == "/page/jobs?state=failed")
            #expect(try await server.press("/page/do", question.form + "&back=\(back)")["location"] == "/page/jobs?state=failed")
        }
    }

    @Test("what fails leads back to the page with the button, which the browser names")
    func failed() async throws {
        try await TestServer.run { server in
            func fail(_ referer: String) async throws -> HTTPReply {
                try await server.press("/page/do", "do=purge&queue=nothing", headers: [("Referer", referer)])
            }
            let page = try await fail("http://localhost/page/jobs?state=failed")
            #expect(page.status == 404)
            #expect(page.link("Go back") == "/page/jobs?state=failed")
            for referer in ["http://evil.example/page/jobs", "http://localhost.evil.example/page", "http://localhost/page/do"] {
                #expect(try await fail(referer).link("Back to the queues") == "/page", "\(referer)")
            }
        }
    }

    @Test("a field that comes twice is refused: nobody guesses which was meant")
    func twice() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            #expect(try await server.press("/page/do", "do=purge&queue=mail&queue=other").status == 400)
            #expect(try await server.get("/v1/queues/mail").json["counts"]["queued"].int == 1)
        }
    }
}
