import ArgumentParser
import GodwitCore
import GodwitHTTP
import HTTPTypes
import Synchronization
import Testing

@testable import GodwitCLI

@Suite("What is done to several jobs")
struct EachJobTests {
    private static let missing = #"{"detail":"no such job","code":"job_not_found"}"#

    /// Changes jobs at a store that refuses some of them; answers those that it was asked for.
    private func run(_ ids: [String], refusing: [String: (Int, String)]) async throws -> (asked: [String], failure: CommandFailure?) {
        let transport = ScriptedTransport { request, _ in
            guard let (status, problem) = refusing[request.path[2]] else { return StoreResponse(.ok, #"{"state":"cancelled"}"#) }
            return StoreResponse(.init(code: status), problem)
        }
        let store = Store(transport: transport)
        var failure: CommandFailure?
        do { try await EachJob(ids: ids, asJSON: false).run { _ = try await store.cancel($0) } } catch let error as CommandFailure {
            failure = error
        }
        return (transport.requests.withLock { $0.map { $0.path[2] } }, failure)
    }

    @Test("one that is refused keeps no other from it, and the command fails at its end")
    func goesOn() async throws {
        let (asked, failure) = try await run(["a", "b", "c"], refusing: ["a": (404, Self.missing)])
        #expect(asked == ["a", "b", "c"])
        #expect(failure?.exit == .failed && failure?.message == "1 of 3 jobs stay as they were")
        #expect(try await run(["a", "b"], refusing: [:]).failure == nil)
    }

    @Test("of one alone it is said as it is")
    func one() async throws {
        let (_, failure) = try await run(["a"], refusing: ["a": (404, Self.missing)])
        #expect(failure?.code == "job_not_found" && failure?.exit == .failed)
    }

    @Test("what is so with all jobs ends it at once", arguments: [(401, "unauthorized"), (503, "busy"), (502, "unavailable")])
    func all(status: Int, code: String) async throws {
        let (asked, failure) = try await run(["a", "b"], refusing: ["a": (status, #"{"detail":"why","code":"\#(code)"}"#)])
        #expect(asked == ["a"] && failure?.code == code)
    }
}

@Suite("What is done to all jobs of a filter")
struct BulkChangeTests {
    private static let then = "2026-01-01T00:00:00.000Z"

    private func page(_ ids: [String], made: String = then, next: String?) -> String {
        let jobs = ids.map { #"{"id":"\#($0)","created_at":"\#(made)"}"# }.joined(separator: ",")
        return #"{"jobs":[\#(jobs)],"next_cursor":\#(next.map { #""\#($0)""# } ?? "null")}"#
    }

    @Test("it goes from page to page, counts what stayed, and ends where it was asked about")
    func pages() async throws {
        let transport = ScriptedTransport { [self] request, _ in
            if request.path == ["v1", "commit"] {
                let count = try #require(JSONValue(request.body)?["transactions"]?.elements?.count)
                // The last one of each came into another state meanwhile.
                let outcomes = Array(repeating: #"{"status":200}"#, count: count - 1) + [#"{"status":409}"#]
                return StoreResponse(.ok, #"{"outcomes":[\#(outcomes.joined(separator: ","))]}"#)
            }
            let isFirst = !request.query.contains { $0.name == "cursor" }
            return StoreResponse(.ok, isFirst ? page(["a", "b"], next: "n") : page(["c", "d"], next: "m"))
        }
        let bulk = BulkChange(deed: .retry, state: "failed", queue: "mail", name: nil)
        let (done, refused) = try await bulk.run(in: Store(transport: transport), atMost: 4, madeUntil: Self.then)
        #expect(done == 2 && refused == 2)
        let requests = transport.requests.withLock { $0 }
        #expect(requests.map(\.path.last) == ["jobs", "commit", "jobs", "commit"])
        #expect(requests[0].target == "/v1/jobs?state=failed&queue=mail&oldest=true&limit=4")
        let body = #"{"transactions":[{"operations":[{"retry":"a"}]},{"operations":[{"retry":"b"}]}]}"#
        #expect(String(decoding: requests[1].body, as: UTF8.self) == body)
    }

    @Test("what was made since it was asked about is left alone")
    func later() async throws {
        let transport = ScriptedTransport { [self] request, _ in
            if request.path == ["v1", "commit"] { return StoreResponse(.ok, #"{"outcomes":[{"status":200}]}"#) }
            let isFirst = !request.query.contains { $0.name == "cursor" }
            return StoreResponse(.ok, isFirst ? page(["a"], next: "n") : page(["b"], made: "2026-01-01T00:00:00.001Z", next: nil))
        }
        let bulk = BulkChange(deed: .cancel, state: "queued", queue: nil, name: nil)
        let (done, refused) = try await bulk.run(in: Store(transport: transport), atMost: 9, madeUntil: Self.then)
        #expect(done == 1 && refused == 0)
        #expect(transport.requests.withLock { $0.map(\.path.last) } == ["jobs", "commit", "jobs"])
    }

    @Test("what would be so with all jobs, such as a full disk, ends it")
    func full() async throws {
        let transport = ScriptedTransport { [self] request, _ in
            guard request.path == ["v1", "commit"] else { return StoreResponse(.ok, page(["a"], next: "n")) }
            return StoreResponse(.ok, #"{"outcomes":[{"status":503,"operation":0,"error":{"detail":"no room","code":"disk_full"}}]}"#)
        }
        let bulk = BulkChange(deed: .cancel, state: "queued", queue: nil, name: nil)
        let failure = await #expect(throws: CommandFailure.self) {
            _ = try await bulk.run(in: Store(transport: transport), atMost: 9, madeUntil: Self.then)
        }
        #expect(failure?.code == "disk_full" && failure?.message == "no room")
    }

    @Test("without a name it is counted from what queues keep")
    func count() async throws {
        let queue = #"{"name":"mail","counts":{"failed":7}}"#
        let store = Store(
            transport: ScriptedTransport { request, _ in
                StoreResponse(.ok, request.path.count == 3 ? queue : #"{"queues":[\#(queue),\#(queue)]}"#)
            }
        )
        #expect(try await BulkChange(deed: .retry, state: "failed", queue: "mail", name: nil).count(in: store) == 7)
        #expect(try await BulkChange(deed: .retry, state: "failed", queue: nil, name: nil).count(in: store) == 14)
    }

    @Test("ids and filters exclude each other, and a deed has its states")
    func arguments() throws {
        #expect(throws: (any Error).self) { _ = try RetryCommand.parse([]) }
        #expect(throws: (any Error).self) { _ = try RetryCommand.parse(["job", "--state", "failed"]) }
        #expect(throws: (any Error).self) { _ = try RetryCommand.parse(["--queue", "mail"]) }
        #expect(throws: (any Error).self) { _ = try RetryCommand.parse(["--state", "succeeded"]) }
        #expect(throws: (any Error).self) { _ = try CancelCommand.parse(["--state", "failed"]) }
        #expect(throws: (any Error).self) { _ = try ForgetCommand.parse(["--state", "running"]) }
        #expect(try RetryCommand.parse(["job", "other"]).selection.job == ["job", "other"])
        #expect(try ForgetCommand.parse(["--state", "succeeded", "--yes"]).selection.confirmation.yes)
    }
}
