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
                    let subject = ["queue", "job", "counter", "jobs"].compactMap { line[$0].map { "\($0)" } }
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

    @Test("what ends or gives away others' work")
    func acts() async throws {
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
