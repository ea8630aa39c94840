import GodwitCore
import GodwitWire
import NIOHTTP1
import Testing

@testable import GodwitRemote

@Suite("What a server's answers mean")
struct AnswerTests {
    private func answer(_ status: Int, _ type: String? = nil, _ body: [UInt8] = [], _ headers: [(String, String)] = []) -> Answer {
        var fields = HTTPHeaders(headers)
        if let type { fields.add(name: "Content-Type", value: type) }
        return Answer(status: status, headers: fields, body: body)
    }

    private func problem(_ status: Int, _ code: String, _ more: String = "") -> Answer {
        answer(status, "application/problem+json", Array(#"{"status":\#(status),"code":"\#(code)","detail":"so it is"\#(more)}"#.utf8))
    }

    @Test("a busy server says when to come back: in its document, in the head, or not at all")
    func busy() {
        func wait(_ answer: Answer) -> Duration? { if case .busy(let error) = answer.failure { error.retryAfter } else { nil } }
        #expect(wait(problem(503, "busy", #","retry_after_ms":1500"#)) == .milliseconds(1_500))
        #expect(wait(problem(503, "draining")) == .seconds(1))
        #expect(wait(answer(429, "text/html", [], [("Retry-After", "7")])) == .seconds(7))
        #expect(wait(answer(429)) == .seconds(1))
        #expect(
            wait(answer(503, WireFormat.mediaType, Wire.encode(BrokerError(.diskFull, "full", retryAfter: .seconds(3))))) == .seconds(3)
        )
    }

    @Test("of what a server was doing when it failed nothing is known")
    func lost() {
        // A gateway says 503 when the server that it had given the request to is gone, too.
        let gateways = [
            answer(503, "text/html", [], [("Retry-After", "7")]), answer(503), answer(502), answer(504), answer(500), answer(408),
        ]
        for answer in [problem(503, "store_failed"), problem(503, "closed")] + gateways {
            guard case .lost = answer.failure else {
                #expect(Bool(false), "\(answer)")
                continue
            }
        }
    }

    @Test("what is wrong with a request, or with this client, is said")
    func refused() {
        func error(_ answer: Answer) -> BrokerError? { if case .refused(let error) = answer.failure { error } else { nil } }
        #expect(error(problem(401, "unauthorized"))?.code == .unauthorized)
        #expect(error(problem(401, "unauthorized"))?.field == "token")
        #expect(error(answer(403))?.code == .forbidden)
        #expect(error(problem(403, "host_not_allowed"))?.message == "so it is")
        #expect(error(problem(404, "not_found"))?.code == .unsupportedURL)
        #expect(error(answer(404, "text/html"))?.code == .unsupportedURL)
        #expect(error(answer(301))?.code == .unsupportedURL)
        #expect(error(problem(404, "queue_not_found", #","field":"queue""#))?.code == .queueNotFound)
        #expect(error(problem(400, "invalid_argument", #","field":"max""#))?.field == "max")
        #expect(error(answer(413))?.code == .invalidArgument)
    }

    @Test("where a server answered before, nothing and somebody else are a gateway that does not find it just now")
    func gateways() throws {
        func isLost(_ answer: Answer) -> Bool {
            var answer = answer
            answer.isWhereAServerWas = true
            if case .lost = answer.failure { return true } else { return false }
        }
        for status in [404, 405, 301, 302, 308] { #expect(isLost(answer(status, "text/html")), "\(status)") }
        // The server itself, and what no gateway says of it.
        #expect(!isLost(problem(404, "not_found")) && !isLost(problem(405, "method_not_allowed")))
        #expect(!isLost(answer(401)) && !isLost(answer(403)) && !isLost(answer(413)))
        var page = answer(200, "text/html")
        page.isWhereAServerWas = true
        #expect { try page.document { bytes throws(WireError) in bytes } } throws: {
            if case ExchangeFailure.lost = $0 { true } else { false }
        }
    }

    @Test("a page of somebody else's is no answer, and a damaged one cannot be read")
    func document() {
        let decode: (Bytes) throws(WireError) -> [TransactionOutcome] = { bytes throws(WireError) in try Wire.decodeOutcomes(bytes) }
        #expect { try answer(200, "text/html; charset=utf-8").document(decode) } throws: {
            if case ExchangeFailure.refused(let error) = $0 { error.code == .unsupportedURL } else { false }
        }
        #expect { try answer(200, WireFormat.mediaType, [1, 2, 3]).document(decode) } throws: {
            if case ExchangeFailure.unreadable = $0 { true } else { false }
        }
        let good = answer(200, WireFormat.mediaType, Wire.encode([TransactionOutcome.committed([.deleted])]))
        #expect((try? good.document(decode))?.count == 1)
    }

    @Test(
        "URLs of servers",
        arguments: [
            ("http://127.0.0.1:8080", true), ("https://jobs.example.com/", true), ("http://[::1]:80/godwit/", true), ("http://", false),
            ("ftp://host", false), ("http://host?x=1", false), ("http://host#x", false), ("http://user:secret@host", false),
            ("http://host:0", false), ("", false),
        ]
    )
    func urls(_ text: String, _ isGood: Bool) {
        do throws(BrokerError) {
            let url = try ServerURL(text)
            #expect(isGood && !url.description.hasSuffix("/"))
        } catch {
            #expect(!isGood && error.field == "url" && !error.message.contains("secret"))
        }
    }

    @Test(
        "only this machine's own addresses are this machine",
        arguments: [
            ("127.0.0.1", true), ("127.255.0.3:80", true), ("localhost", true), ("[::1]:8080", true), ("127.0.0.1.example.com", false),
            ("127.example.com", false), ("127.0.0", false), ("127.0.0.256", false), ("128.0.0.1", false), ("127.0.0.1.", false),
        ]
    )
    func loopback(_ host: String, _ isLoopback: Bool) throws {
        #expect(try ServerURL("http://\(host)").isLoopback == isLoopback)
    }

    @Test("a configuration that makes no sense is refused, without telling the token")
    func configuration() throws {
        var configuration = try RemoteConfiguration(url: ServerURL("http://h"), token: "a secret with spaces")
        let token = #expect(throws: BrokerError.self) { try configuration.validate() }
        #expect(token?.field == "token" && token?.message.contains("secret with") == false)
        configuration.token = nil
        configuration.patience = .seconds(301)
        #expect(#expect(throws: BrokerError.self) { try configuration.validate() }?.field == "patience")
        configuration.patience = .seconds(30)
        configuration.requestTimeout = .zero
        #expect(#expect(throws: BrokerError.self) { try configuration.validate() }?.field == "requestTimeout")
    }
}
