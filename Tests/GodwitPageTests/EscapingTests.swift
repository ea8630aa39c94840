import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("What a page shows of other people's texts is text")
struct EscapingTests {
    /// Markup for an element and for an attribute, and a quote that is one character with what follows it.
    static let hostile = "<img src=x onerror=alert(1)>\"' onmouseover=\"alert(2)\u{301} {{title}} {{{title}}} &amp;"

    @Test(
        "markup is escaped, code point by code point",
        arguments: [
            ("<b>", "&lt;b&gt;"), ("\"\u{301} x=\"", "&quot;\u{301} x=&quot;"), ("<\u{200d}'", "&lt;\u{200d}&#39;"), ("a & b", "a &amp; b"),
            ("é\n\tü", "é\n\tü"), ("\0\r\u{7f}", "␀␍␡"), ("\u{202e}x", "[U+202E]x"), ("\u{85}", "[U+0085]"),
            ("mail\u{200b}\u{ad}", "mail[U+200B][U+00AD]"), ("\u{e0041}", "[U+E0041]"),
        ]
    )
    func escaping(text: String, html: String) {
        #expect(PageEscaping().escapeText(text) == html)
    }

    @Test("the value of a form's field comes back as it is, whatever is in it, and ends no attribute")
    func attributes() {
        #expect(PageEscaping.attribute("mail.in-2") == "mail.in-2")
        #expect(
            PageEscaping.attribute("a\u{200e}b\"'<>&`{}=\n\u{301}é\0")
                == "a&#x200e;b&#x22;&#x27;&#x3c;&#x3e;&#x26;&#x60;&#x7b;&#x7d;&#x3d;&#xa;&#x301;&#xe9;&#x0;"
        )
    }

    @Test("a template cannot show a text unescaped, and what is in a text is no template")
    func templates() {
        for name in Templates.names {
            let source = Templates.source(name)
            #expect(!source.contains("{{&"), "\(name)")
            let unescaped = source.split(separator: "{{{").dropFirst().map { String($0.prefix { $0 != "}" }) }
            // Parts of a page that were rendered before, and values of form fields, which ``PageEscaping/attribute(_:)`` has made.
            let known = [
                "page": ["head", "part", "foot"], "deed": ["value"], "confirm": ["value"], "filter": ["queue", "queueName", "name"],
                "find": ["contains", "sort"],
            ]
            #expect(unescaped == known[name] ?? [], "\(name)")
            if name != "page" {
                for word in unescaped { #expect(source.contains("value=\"{{{\(word)}}}\""), "\(word) in \(name) is no form's value") }
            }
            #expect(!source.contains("style="), "the security policy lets no such attribute through: \(name)")
        }
        let html = Templates.render("message", ["title": Self.hostile, "text": "\"\u{301}{{title}}"])
        #expect(
            html.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39; onmouseover=&quot;alert(2)\u{301} {{title}} {{{title}}} &amp;amp;")
        )
        #expect(html.contains("&quot;\u{301}{{title}}"))
    }

    @Test("what stands in a partial is escaped as well")
    func partials() {
        let fact: View = ["label": "<b>", "value": "\"\u{301}", "to": false, "time": false]
        let view: View = [
            "name": "", "paused": false, "tiles": [View](), "facts": [fact], "settings": [View](), "deeds": [View](), "jobs": "",
        ]
        let html = Templates.render("queue", view)
        #expect(html.contains("<dt>&lt;b&gt;</dt>"))
        #expect(html.contains("&quot;\u{301}</dd>"))
    }

    @Test(
        "markup in the name of a queue and a job, in a header, a payload, an error, a group, a progress note and a holder is text everywhere"
    )
    func everywhere() async throws {
        let broker = try await TestServer.engine()
        let queue = try QueueName(String(Self.hostile.prefix(100)))
        var message = NewMessage(queue: queue, payload: Content(Bytes(Self.hostile), type: "text/plain; x=\"<i>\""))
        message.name = Self.hostile
        message.headers = [Header(name: "x-hostile", value: Self.hostile)]
        message.group = Self.hostile
        let id = try #require(try await broker.commit(.enqueue(message)).jobID)
        let holder = try await broker.open(
            HolderOptions(id: HolderID("<u>\(Self.hostile)"), queues: [queue], capacity: 1, isEmbedded: false)
        )
        let lease = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(60)), wait: .zero).first)
        _ = try await holder.renew([Renewal(lease.token, progress: JobProgress(fraction: 0.5, note: Self.hostile))])
        try await TestServer.run(broker: broker) { server in
            let job = Address.job(id)
            var pages = [
                "/page", Address.queue(queue), "/page/jobs", job, "/page/workers", Address.path("jobs", [("queue", queue.description)]),
            ]
            pages += [Address.path("confirm", [("do", "purge"), ("queue", queue.description)])]
            for path in pages {
                let page = try await server.get(path)
                #expect(page.status == 200, "\(path)")
                #expect(!page.text.contains("<img"), "\(path)")
                #expect(!page.text.contains("<u>"), "\(path)")
                #expect(!Self.hasBareQuote(page.text), "\(path)")
                #expect(page.text.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39; onmouseover=&quot;"), "\(path)")
            }
            _ = try await broker.commit(.fail(lease.token, Failure(message: Self.hostile, code: "<s>"), retry: .never))
            let page = try await server.get(job)
            #expect(page.text.contains("<bdi>&lt;img src=x"))
            #expect(page.text.contains("<code>&lt;s&gt;</code>"))
            #expect(!page.text.contains("<img"))
            #expect(!page.text.contains("<s>"))
        }
    }

    /// Whether a quote with an accent stands there as it came.
    private static func hasBareQuote(_ text: String) -> Bool {
        zip(text.unicodeScalars, text.unicodeScalars.dropFirst()).contains { $0 == "\"" && $1 == "\u{301}" }
    }
}
