import GodwitCore
import HTTPTestSupport
import Logging
import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("What leaves a line with who did it")
struct AuditTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[Logger.Metadata]>([])
        func add(_ metadata: Logger.Metadata) { lines.withLock { $0.append(metadata) } }
        /// The lines since the last time, as `act subject`.
        func take() -> [String] {
            lines.withLock { lines in
                defer { lines = [] }
                return lines.map { line in
                    let subject = ["queue", "job", "counter", "jobs", "when"].compactMap { line[$0].map { "\($0)" } }
                    return (["\(line["by"] ?? "?"):", "\(line["act"] ?? "?")"] + subject).joined(separator: " ")
                }
            }
        }
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.notice

        init(_ lines: Lines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.add(event.metadata ?? [:]) }
    }

    private func run(_ test: @Sendable @escaping (TestServer, Lines) async throws -> Void) async throws {
        let lines = Lines()
        try await MountedRoutes.run { broker in
            JobRoutes(
                broker: broker,
                serving: Set(JobRoutes.Action.allCases),
                access: { .known(Grant(name: "ops", actions: Set(JobRoutes.Action.allCases))) },
                audit: Audit(Logger(label: "audit") { _ in Handler(lines) }),
                watchKeys: WatchKeys([.random()])
            )
        } _: { server in
            try await test(server, lines)
        }
    }

    @Test("what is to be done later, when a job ends or a counter is full, wherever it is said")
    func later() async throws {
        try await run { server, lines in
            let victim = try #require(try await server.broker.commit(Transaction.job("v").operations[0]).jobID)
            let cancel = #"{"cancel": "\#(victim)"}"#, line = "ops: cancel \(victim) later"
            let nested = #"{"enqueue": {"queue": "q", "payload": 1, "on_final": [\#(cancel)]}}"#
            for follow in [cancel, nested] {
                let path = "/queues/q/jobs?on-final=\(PercentCoding.encode("[\(follow)]"))"
                for isFirst in [true, false] {
                    #expect(try await server.post(path, "1", headers: [("Idempotency-Key", "k\(follow.utf8.count)")]).status == 202)
                    #expect(lines.take() == (isFirst ? [line] : []), "a job that is there already keeps what it has")
                }
                let batch = #"[{"payload": 1}, {"payload": 2, "on_final": [\#(follow)]}]"#
                #expect(try await server.post("/queues/q/jobs/batch", batch).status == 202)
                #expect(lines.take() == [line])
                let commit = #"{"transactions": [{"operations": [{"enqueue": {"queue": "q", "payload": 1, "on_final": [\#(follow)]}}]}]}"#
                #expect(try await server.post("/commit", commit).status == 200)
                #expect(lines.take() == [line])
                let counter = "/counters/c\(follow.utf8.count)"
                for step in ["a", "b"] {
                    #expect(try await server.post(counter, #"{"step": "\#(step)", "at": 9, "then": [\#(follow)]}"#).status == 200)
                    #expect(lines.take() == (step == "a" ? [line] : []), "the first one says what follows")
                }
                let leased = try await server.post("/queues/q/leases?max=2").json["leases"]
                let tokens = [try #require(leased[0]["lease"].string), try #require(leased[1]["lease"].string)]
                let job = #"{"queue": "q", "payload": 1, "on_final": [\#(follow)]}"#
                let settle = #"{"lease": "\#(tokens[0])", "complete": 1, "enqueue": [\#(job)]}, {"lease": "\#(tokens[1])", "extend": true}"#
                #expect(try await server.post("/leases/batch", "[\(settle)]").status == 200)
                #expect(lines.take() == [line])
            }
        }
    }

    @Test("what ends or gives away others' work")
    func acts() async throws {
        try await run { server, lines in
            func job() async throws -> JobID { try #require(try await server.broker.commit(Transaction.job().operations[0]).jobID) }
            let id = try await job()
            for act in ["cancel", "retry"] {
                #expect(try await server.post("/jobs/\(id)/\(act)").status == 200)
                #expect(lines.take() == ["ops: \(act) \(id)"])
            }
            _ = try await server.commit([Transaction([.cancel(id), .retry(id)])], at: "/commit")
            #expect(lines.take() == ["ops: cancel \(id)", "ops: retry \(id)"])
            for deletes in [true, false] {
                #expect(try await server.post("/counters/c", #"{"step": "1", "at": 2}"#).status == 200)
                #expect(lines.take() == [])
                if deletes {
                    #expect(try await server.send("DELETE", "/counters/c").status == 204)
                } else {
                    _ = try await server.commit([Transaction(.delete(.counter("c"), expecting: .anything))], at: "/commit")
                }
                #expect(lines.take() == ["ops: delete c"])
            }
            #expect(try await server.get("/backup").status == 200)
            #expect(lines.take() == ["ops: backup"])
            let exported = try await server.get("/export?queue=q")
            #expect(lines.take() == ["ops: export q"])
            #expect(try await server.post("/import", exported.text, type: "application/jsonl").status == 200)
            let imported = lines.take()
            #expect(imported.count == 1 && imported[0].hasPrefix("ops: import"))
            #expect(try await server.post("/jobs/\(id)/ticket").status == 200)
            #expect(lines.take() == ["ops: ticket \(id)"])
            // What is refused leaves none.
            #expect(try await server.post("/jobs/none/cancel").status == 404)
            #expect(lines.take() == [])
        }
    }
}
