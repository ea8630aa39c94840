import GodwitCore
import HTTPTypes
import Testing

@testable import GodwitHTTP

@Suite("Reading requests")
struct RequestReadingTests {
    @Test("query items are decoded as forms write them")
    func query() throws {
        let query = try QueryItems("name=a%20b+c&priority=7&empty=", known: ["name", "priority", "empty"])
        #expect(query["name"] == "a b c")
        #expect(try query.integer("priority", in: 0...255) == 7)
        #expect(query["empty"] == "")
        #expect(query["other"] == nil)
    }

    @Test("an unknown query item is refused by name")
    func unknownItem() {
        let problem = #expect(throws: Problem.self) { try QueryItems("dealy=5s", known: ["delay", "name"]) }
        #expect(problem?.code == "unknown_option")
        #expect(problem?.field == "dealy")
        #expect(problem?.detail.contains("delay, name") == true)
    }

    @Test("an item stands once, unless it may stand several times")
    func repeated() throws {
        let problem = #expect(throws: Problem.self) { try QueryItems("a=1&a=2", known: ["a"]) }
        #expect(problem?.field == "a")
        #expect(try QueryItems("a=1&a=2", known: ["a"], repeatable: ["a"]).all("a") == ["1", "2"])
    }

    @Test("broken escapes and text that is not UTF-8 are refused", arguments: ["a=%", "a=%2", "a=%zz", "a=%ff", "%ff=1"])
    func brokenEscapes(_ query: String) {
        #expect(throws: Problem.self) { try QueryItems(query, known: ["a"]) }
    }

    @Test("random queries never crash, and what is accepted was known")
    func fuzz() {
        var random = SeededGenerator(3)
        for _ in 0..<20_000 {
            let characters = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                "ab=&%+20fg;#\u{e9}".randomElement(using: &random) ?? "a"
            }
            guard let query = try? QueryItems(String(characters), known: ["a", "b"]) else { continue }
            _ = (query["a"], query["b"])
        }
    }

    @Test(
        "durations are read, and others are refused with the field's name",
        arguments: ["-5s", "5", "s", "5 s", "1.5s", "5S", "99999999d", "", "5sm", "٥s"]
    )
    func durations(_ text: String) throws {
        let query = try QueryItems("delay=\(PercentCoding.encode(text))", known: ["delay"])
        let problem = #expect(throws: Problem.self) { try query.duration("delay") }
        #expect(problem?.field == "delay")
        #expect(try QueryItems("delay=250ms", known: ["delay"]).duration("delay") == .milliseconds(250))
    }

    @Test("random durations are read as what they say, or not at all")
    func durationFuzz() throws {
        var random = SeededGenerator(9)
        for _ in 0..<20_000 {
            let characters = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                "0123456789mshd-. +".randomElement(using: &random) ?? "0"
            }
            let text = String(characters)
            guard let duration = try? OptionText.duration("d", text) else { continue }
            #expect(duration >= .zero)
            #expect(Duration(text: duration.text) == duration)
        }
    }

    @Test("a time keeps its offset even when nobody encoded the plus")
    func times() throws {
        let expected = Timestamp(milliseconds: 1_767_225_600_000)
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00%2B02:00", "2026-01-01T02:00:00+02:00", "2025-12-31T19:00:00-05:00"] {
            #expect(try QueryItems("run-at=\(text)", known: ["run-at"]).time("run-at") == expected)
        }
        #expect(throws: Problem.self) { try QueryItems("run-at=tomorrow", known: ["run-at"]).time("run-at") }
    }

    @Test(
        "a key in quotes is the same key as the bare one",
        arguments: [("abc", "abc"), ("\"abc\"", "abc"), (#""a\"b\\c""#, #"a"b\c"#), ("a\"b", "a\"b"), ("\"ü\"", "ü")]
    )
    func keys(_ header: String, _ key: String) throws {
        #expect(try IdempotencyKey.of([.idempotencyKey: header]) == key)
    }

    @Test(
        "an empty or endless key is refused, and a string in quotes that is not whole",
        arguments: ["", "\"\"", String(repeating: "k", count: 513), "\"", "\"abc", #""abc\""#, #""a"b""#, #""a";p=1"#, #""a\b""#]
    )
    func badKeys(_ header: String) {
        let problem = #expect(throws: Problem.self) { try IdempotencyKey.of([.idempotencyKey: header]) }
        #expect(problem?.field == "Idempotency-Key")
    }

    @Test(
        "Prefer: wait is read and capped",
        arguments: [
            ("wait=5", 5), ("wait=600", 60), ("respond-async, wait=7", 7), ("wait = \"3\"", 3), ("WAIT=2", 2), ("wait=0", 0),
            ("wait=99999999999999999", 60),
        ]
    )
    func prefer(_ header: String, _ seconds: Int) throws {
        let preference = try #require(Preference([.prefer: header], cap: .seconds(60)))
        #expect(preference.wait == .seconds(seconds))
        #expect(preference.applied == "wait=\(seconds)")
    }

    @Test("a preference that says nothing is ignored", arguments: ["wait", "wait=", "wait=-1", "wait=x", "return=minimal", ""])
    func ignoredPrefer(_ header: String) {
        #expect(Preference([.prefer: header], cap: .seconds(60)) == nil)
    }

    @Test(
        "a body is what its type says; a form or none is JSON if it parses, else text, else bytes",
        arguments: [
            ("{\"a\":1}", "application/x-www-form-urlencoded", "application/json"),
            ("a=b", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"),
            ("17", nil, "application/json"), ("hello", nil, "text/plain; charset=utf-8"), ("", nil, "application/octet-stream"),
            ("<a/>", "application/xml", "application/xml"), ("[1]", "application/vnd.a+json", "application/vnd.a+json"),
        ] as [(String, String?, String)]
    )
    func mediaTypes(_ body: String, _ type: String?, _ expected: String) throws {
        #expect(try MediaType.content(Bytes(body), type: type) == Content(Bytes(body), type: expected))
        #expect(try MediaType.content(Bytes([0xff]), type: nil).type == Content.binary)
    }

    @Test("what calls itself JSON must be JSON", arguments: ["application/json", "Application/JSON; charset=utf-8", "application/a+json"])
    func falseJSON(_ type: String) {
        let problem = #expect(throws: Problem.self) { try MediaType.content("{", type: type) }
        #expect(problem?.code == "invalid_json")
        #expect(problem?.status == .badRequest)
    }

    @Test("ce- and Godwit-Header- become the job's headers; others do not")
    func jobHeaders() throws {
        var fields: HTTPFields = [.init("CE-Type")!: "t", .init("Godwit-Header-Tenant")!: "ü", .accept: "x"]
        #expect(try JobHeaders.of(fields) == [Header(name: "ce-type", value: "t"), Header(name: "tenant", value: "ü")])
        fields[.init("Godwit-Header-Big")!] = String(repeating: "x", count: Limits.headerBytes)
        let problem = #expect(throws: Problem.self) { try JobHeaders.of(fields) }
        #expect(problem?.field == "headers")
    }

    @Test("Retry-After is whole seconds, rounded up, 1 to 300", arguments: [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (86_400_000, 300)])
    func retryAfter(_ milliseconds: Int, _ seconds: Int) {
        let problem = Problem(.busy(retryAfter: .milliseconds(milliseconds)))
        #expect(problem.retryAfterSeconds == Int64(seconds))
        #expect(problem.status == .serviceUnavailable)
    }

    @Test("a settle's JSON is read strictly")
    func settlements() throws {
        func item(_ text: String) throws -> BatchItem { try BatchItem(JSONValue(parsing: Bytes(text)), path: "[0].", limits: .init()) }
        for good in [
            #"{"lease":"a","complete":{"x":1},"enqueue":[{"queue":"q","payload":1,"delay":"5s"}]}"#, #"{"lease":"a","complete":null}"#,
            #"{"lease":"a","fail":{"error":"x"}}"#, #"{"lease":"a","fail":{"error":{"message":"x","code":"c"},"retry":false}}"#,
            #"{"lease":"a","release":true}"#, #"{"lease":"a","release":{}}"#, #"{"lease":"a","extend":"30s"}"#,
            #"{"lease":"a","extend":true}"#,
            #"{"lease":"a","progress":{"fraction":0.5,"note":"n"}}"#,
        ] { _ = try item(good) }
        for (bad, field) in [
            (#"{"complete":1}"#, "[0].lease"), (#"{"lease":"a"}"#, "[0]"), (#"{"lease":"a","complete":1,"release":true}"#, "[0]"),
            (#"{"lease":"a","release":true,"enqueue":[]}"#, "[0].enqueue"), (#"{"lease":"a","fail":{}}"#, "[0].fail.error"),
            (#"{"lease":"a","fail":{"error":"x","retry":false,"delay":"1s"}}"#, "[0].fail.delay"),
            (#"{"lease":"a","fail":{"error":"x","when":1}}"#, "[0].fail.when"), (#"{"lease":"a","extend":"1ms"}"#, "[0].extend"),
            (#"{"lease":"a","extend":5}"#, "[0].extend"), (#"{"lease":"a","progress":{"fraction":2}}"#, "[0].progress.fraction"),
            (#"{"lease":"a","release":false}"#, "[0].release"), (#"{"lease":"a","complete":1,"x":2}"#, "[0].x"), ("3", "[0]"),
            (#"{"lease":"a","complete":1,"enqueue":[{"payload":1}]}"#, "[0].enqueue[0].queue"),
            (#"{"lease":"a","complete":1,"enqueue":[{"queue":"q"}]}"#, "[0].enqueue[0].payload"),
        ] {
            let problem = #expect(throws: Problem.self, "\(bad)") { try item(bad) }
            #expect(problem?.field == field, "\(bad)")
        }
    }
}
