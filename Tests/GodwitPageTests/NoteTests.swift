import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("What was done is said once", .serialized)
struct NoteTests {
    @Test("by the next page of the browser that did it: not when that is loaded again, and not to whoever is sent its address")
    func once() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            let done = try await server.press("/page/do", "do=purge&queue=mail")
            let path = try #require(done["location"])
            let cookie = try done.cookie
            #expect(done["set-cookie"]?.hasSuffix("; Path=/page; HttpOnly; SameSite=Strict") == true)
            #expect(try await !server.get(path).shows("Purged"))
            // Neither a look that keeps a page up to date nor one at the head alone uses it up.
            #expect(try await server.send("HEAD", path, headers: [cookie]).status == 200)
            let connection = try await server.connect()
            try await connection.request("GET", path, headers: [cookie, ("Accept", "text/event-stream")])
            _ = try await connection.head()
            #expect(try await connection.chunk().map { String(decoding: $0, as: UTF8.self).hasPrefix("event: part") } == true)
            try await connection.close()
            #expect(try await server.get(path, headers: [cookie]).shows("Purged: 1 job that waited ended as cancelled."))
            #expect(try await !server.get(path, headers: [cookie]).shows("Purged"))
        }
    }

    @Test("an address says nothing of what was done, and nobody makes it up")
    func forged() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("mail")
            #expect(try await server.get("/page/queue?name=mail&did=purge&count=1000000").status == 400)
            let page = try await server.get("/page/queue?name=mail", headers: [("Cookie", "\(PageCookie.Kind.note.rawValue)=Purged")])
            #expect(page.status == 200)
            #expect(!page.text.contains("class=\"done\""))
        }
    }

    @Test("a note that nobody looks at is forgotten, and there are never very many")
    func bounded() {
        let notes = PageNotes(), start = ContinuousClock.now
        let old = notes.leave("old", now: start)
        #expect(notes.take(old, now: start + .seconds(300)) == nil)
        let words = (0..<1_001).map { notes.leave("\($0)", now: start + .milliseconds($0)) }
        #expect(notes.take(words[0], now: start + .seconds(2)) == nil)
        #expect(notes.take(words[1], now: start + .seconds(2)) == "1")
        #expect(notes.take(words[1], now: start + .seconds(2)) == nil)
        #expect(notes.take(words[1_000], now: start + .seconds(2)) == "1000")
    }
}
