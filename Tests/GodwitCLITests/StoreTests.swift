import Foundation
import GodwitCore
import GodwitHTTP
import HTTPTypes
import Synchronization
import Testing

@testable import GodwitCLI

@Suite("The store as commands see it")
struct StoreTests {
    private func job(_ state: String) -> String { #"{"id":"j","queue":"q","state":"\#(state)","attempt":1,"max_attempts":20}"# }

    @Test("path and query items are percent-encoded")
    func target() {
        let request = StoreRequest(.get, ["v1", "queues", "a/b ü"], query: [("run-at", "2027-01-01T00:00:00+01:00"), ("name", "x&y")])
        #expect(request.target == "/v1/queues/a%2Fb%20%C3%BC?run-at=2027-01-01T00%3A00%3A00%2B01%3A00&name=x%26y")
    }

    @Test(
        "refusals have the exit codes that scripts rely on",
        arguments: [
            (503, "busy", CommandFailure.Exit.busy), (429, "busy", .busy), (503, "store_failed", .unreachable),
            (503, "store_corrupt", .damaged), (503, "store_newer", .unusable), (503, "closed", .unreachable), (503, "draining", .busy),
            (400, "invalid_argument", .usage), (413, "too_large", .usage), (422, "key_conflict", .usage), (404, "job_not_found", .failed),
            (409, "wrong_state", .failed), (401, "unauthorized", .failed), (502, "unavailable", .unreachable),
        ]
    )
    func exits(status: Int, code: String, exit: CommandFailure.Exit) async throws {
        let problem = #"{"detail":"why","code":"\#(code)","retry_after_ms":1500}"#
        let store = Store(transport: ScriptedTransport { _, _ in StoreResponse(.init(code: status), problem) })
        let failure = try #require(await #expect(throws: CommandFailure.self) { try await store.job("j") })
        #expect(failure.exit == exit)
        #expect(failure.code == code)
        #expect(failure.retryAfter == .milliseconds(1_500))
        #expect(failure.json == problem)
        #expect(failure.message.hasPrefix("why"))
    }

    @Test("a server of another kind is told apart")
    func stranger() async throws {
        let store = Store(transport: ScriptedTransport { _, _ in StoreResponse(.notFound, "<html>") })
        let failure = try #require(await #expect(throws: CommandFailure.self) { try await store.queues() })
        #expect(failure.exit == .unreachable && failure.message.contains("check the URL"))
        #expect(!failure.isUnusableAnswer && !failure.isRefusal)
        let page = Store(transport: ScriptedTransport { _, _ in StoreResponse(.ok, "<html>") })
        let unusable = try #require(await #expect(throws: CommandFailure.self) { try await page.queues() })
        #expect(unusable.isUnusableAnswer && !unusable.isRefusal)
    }

    @Test("what was refused is told from what may have been done")
    func refusals() {
        func failure(_ status: Int, _ code: String) -> CommandFailure {
            CommandFailure(StoreResponse(.init(code: status), #"{"detail":"why","code":"\#(code)"}"#), from: "http://test")
        }
        #expect(failure(503, "busy").isRefusal && failure(413, "too_large").isRefusal && failure(404, "queue_not_found").isRefusal)
        #expect(!failure(502, "bad_gateway").isRefusal && !failure(503, "store_failed").isRefusal)
        #expect(!CommandFailure.outcomeUnknown("lost").isRefusal)
        #expect(CommandFailure.unreachable("refused", isCertainlyUnsent: true).isRefusal)
    }

    @Test("following a job goes on after the last version when the stream breaks off, and ends with the final state")
    func follow() async throws {
        let transport = ScriptedTransport { [self] request, _ in
            guard request.path.last == "events" else { return StoreResponse(.ok, job("running")) }
            switch request.headers[.lastEventID] {
            case nil:
                return StoreResponse(.ok, "event: state\nid: 1\ndata: \(job("queued"))\n\nevent: state\nid: 2\ndata: \(job("running"))\n\n")
            case "2": return StoreResponse(.ok, "event: state\nid: 3\ndata: \(job("succeeded"))\n\n")
            default: throw CommandFailure.failed("unexpected", code: "test")
            }
        }
        let shown = Mutex<[String]>([])
        let final = try await Store(transport: transport).follow("j") { job in shown.withLock { $0.append(job["state"]?.string ?? "") } }
        #expect(final["state"]?.string == "succeeded")
        #expect(shown.withLock { $0 } == ["queued", "running", "succeeded"])
    }

    @Test("waiting goes on over answers that come before the end")
    func wait() async throws {
        let transport = ScriptedTransport { [self] request, number in
            guard request.headers[.prefer] == "wait=25" else { throw CommandFailure.failed("no wait was asked for", code: "test") }
            return StoreResponse(.ok, job(number < 3 ? "running" : "failed"))
        }
        #expect(try await Store(transport: transport).finalJob("j")["state"]?.string == "failed")
    }

    @Test("settings of a queue that is new are put, those of an old one merged")
    func configure() async throws {
        let transport = ScriptedTransport { request, _ in
            request.method == .patch
                ? StoreResponse(.notFound, #"{"detail":"no queue","code":"queue_not_found"}"#) : StoreResponse(.created, #"{"name":"q"}"#)
        }
        _ = try await Store(transport: transport).configure("q", settings: Array("{}".utf8))
        #expect(transport.requests.withLock { $0.map(\.method) } == [.patch, .put])
    }

    @Test("heartbeats tell what goes on, what was cancelled and what was lost; a server's trouble loses nothing")
    func beats() async throws {
        let store = Store(
            transport: ScriptedTransport { _, _ in
                StoreResponse(
                    .ok,
                    """
                    {"results":[{"lease":"a","status":200,"expires_at":"2027-01-01T00:00:00.000Z","cancel_requested":false},
                    {"lease":"b","status":200,"expires_at":null,"cancel_requested":true},
                    {"lease":"c","status":409,"error":{"code":"stale_lease"}},{"lease":"d","status":503,"error":{"code":"unavailable"}}]}
                    """
                )
            }
        )
        let beats = try await store.extend(["a", "b", "c", "d"], by: .seconds(10), timeout: .seconds(1))
        let kinds = beats.map { beat in
            switch beat {
            case .good(let lease): "good \(lease)"
            case .cancelled(let lease): "cancelled \(lease)"
            case .lost(let lease, _): "lost \(lease)"
            }
        }
        #expect(kinds == ["good a", "cancelled b", "lost c"])
    }
}

@Suite("Jobs to publish")
struct NewJobTests {
    @Test(
        "a batch's items are JSON as it is, text as a string, and everything else in base64",
        arguments: [
            (Array(#"{"b":1.0,"a":2}"#.utf8), #"{"payload":{"b":1.0,"a":2},"delay":"5s","max_attempts":3}"#),
            (
                Array("say \"hi\"".utf8),
                #"{"content_type":"text/plain; charset=utf-8","payload":"say \"hi\"","delay":"5s","max_attempts":3}"#
            ),
            ([0xff, 0x00], #"{"content_type":"application/octet-stream","payload_base64":"/wA=","delay":"5s","max_attempts":3}"#),
        ] as [([UInt8], String)]
    )
    func batchItem(payload: [UInt8], expected: String) {
        let job = NewJob(payload: payload, options: [("delay", "5s"), ("max-attempts", "3")])
        #expect(String(decoding: job.batchItem, as: UTF8.self) == expected)
    }

    @Test("what is true or false is so in a batch's items, too")
    func transientItem() {
        let item = NewJob(payload: Array("1".utf8), options: [("transient", "true")]).batchItem
        #expect(String(decoding: item, as: UTF8.self) == #"{"payload":1,"transient":true}"#)
    }

    @Test("a key is sent as a quoted string")
    func key() {
        let request = NewJob(payload: [], options: [], key: #"a "b" \c"#).request(queue: "q")
        #expect(request.headers[.idempotencyKey] == #""a \"b\" \\c""#)
    }
}
