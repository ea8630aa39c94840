import GodwitCore
import GodwitHTTP
import HTTPTypes
import Synchronization
import Testing

@testable import GodwitCLI

/// A store with one queue whose jobs a test makes up.
private final class ScriptedQueue: Sendable {
    private let state = Mutex((requests: [StoreRequest](), left: 0))
    let shutdown: Shutdown
    /// The member of the lease that says what the payload is.
    let payload: String
    /// What a request for so many leases is refused with, and what a settlement is.
    let refuse: @Sendable (StoreRequest) throws -> StoreResponse?

    init(
        jobs: Int,
        shutdown: Shutdown = Shutdown(),
        payload: String = #""payload":"x","content_type":"text/plain""#,
        refuse: @escaping @Sendable (StoreRequest) throws -> StoreResponse? = { _ in nil }
    ) {
        state.withLock { $0.left = jobs }
        self.shutdown = shutdown
        self.payload = payload
        self.refuse = refuse
    }

    var requests: [StoreRequest] { state.withLock { $0.requests } }

    func requests(_ last: String) -> [StoreRequest] { requests.filter { $0.path.last == last } }

    private func answer(_ request: StoreRequest) throws -> StoreResponse {
        state.withLock { $0.requests.append(request) }
        if let refusal = try refuse(request) { return refusal }
        guard request.path.last == "leases" else { return StoreResponse(.ok, "{}") }
        let count = Int(request.item("max") ?? "") ?? 0
        let jobs = state.withLock { state in
            let first = state.left
            state.left -= min(count, state.left)
            return (state.left..<first).map { #"{"lease":"lease-\#($0)",\#(payload),"job":{"id":"job-\#($0)","queue":"q","attempt":1}}"# }
        }
        // The queue is empty: the worker is to end.
        if jobs.isEmpty && !shutdown.isRequested { shutdown.request() }
        return StoreResponse(.ok, #"{"leases":[\#(jobs.joined(separator: ","))]}"#)
    }

    /// Works until the queue is empty, and tells what became of the jobs.
    func work(path: String = "/bin/cat", concurrency: Int = 8, lease: Duration = .seconds(10)) async throws -> [CommandWorker.Report] {
        let reports = Mutex<[CommandWorker.Report]>([])
        let worker = CommandWorker(
            store: Store(transport: ScriptedTransport { request, _ in try self.answer(request) }),
            options: .init(
                queues: ["q"],
                concurrency: concurrency,
                lease: lease,
                grace: .seconds(30),
                limits: .init(),
                path: path,
                arguments: ["command"],
                environment: ["PATH": "/usr/bin:/bin"]
            ),
            shutdown: shutdown
        ) { report in reports.withLock { $0.append(report) } }
        try await worker.run()
        return reports.withLock { $0 }
    }
}

extension StoreRequest {
    fileprivate func item(_ name: String) -> String? { query.first { $0.name == name }?.value }
    fileprivate var json: JSONValue? { JSONValue(body) }
}

@Suite("Workers that run commands", .timeLimit(.minutes(1)))
struct CommandWorkerTests {
    init() { Output.ignoreBrokenPipes() }

    @Test("complete jobs with what the command wrote")
    func complete() async throws {
        let queue = ScriptedQueue(jobs: 20)
        let reports = try await queue.work()
        #expect(reports.count == 20 && reports.allSatisfy { $0.settlement == .complete(Array("x".utf8)) && $0.failure == nil })
        #expect(queue.requests("complete").count == 20)
        #expect(queue.requests.last?.path.prefix(2) == ["v1", "holders"], "what is left is given back")
    }

    @Test("that become quiet while they ask give back what they get, and ask no more")
    func quiet() async throws {
        let shutdown = Shutdown(), released = Mutex(0)
        let queue = ScriptedQueue(jobs: 5, shutdown: shutdown) { request in
            if request.path.last == "leases" { shutdown.intake.quiet() }
            guard request.path.last == "release" else { return nil }
            let count = released.withLock { count in
                count += 1
                return count
            }
            if count == 5 { shutdown.request() }
            return nil
        }
        let reports = try await queue.work(concurrency: 5)
        #expect(reports.isEmpty)
        #expect(queue.requests("leases").count == 1 && queue.requests("release").count == 5 && queue.requests("complete").isEmpty)
    }

    @Test("ask for fewer jobs when an answer is too large or cannot be read, and for more when one can", arguments: [true, false])
    func fewer(tooLarge: Bool) async throws {
        let queue = ScriptedQueue(jobs: 5) { request in
            guard request.path.last == "leases", let max = request.item("max").flatMap({ Int($0) }), max > 2 else { return nil }
            if tooLarge { throw CommandFailure.answerTooLarge("http://test") }
            return StoreResponse(.ok, #"{"leases":[{"payload":"#)
        }
        let reports = try await queue.work()
        #expect(reports.count == 5 && reports.allSatisfy { $0.outcome == "completed" })
        let asked = queue.requests("leases").compactMap { $0.item("max").flatMap { Int($0) } }
        #expect(asked.prefix(4) == [8, 4, 2, 4])
    }

    @Test("end when the answer with one job alone cannot be taken")
    func unusable() async throws {
        let queue = ScriptedQueue(jobs: 5) { request in
            if request.path.last == "leases" { throw CommandFailure.answerTooLarge("http://test") }
            return nil
        }
        let failure = await #expect(throws: CommandFailure.self) { try await queue.work() }
        #expect(failure?.isUnusableAnswer == true)
        #expect(queue.requests("leases").count == 4)
        #expect(queue.requests.last?.path.first == "v1" && queue.requests.last?.method == .delete, "what it leased is given back")
    }

    @Test("fail a job for good that they cannot read, and do the others")
    func unreadable() async throws {
        let queue = ScriptedQueue(jobs: 3, payload: #""payload_base64":"***""#)
        #expect(try await queue.work().isEmpty)
        let failures = queue.requests("fail")
        #expect(failures.count == 3)
        #expect(failures.allSatisfy { $0.json?["retry"]?.bool == false && $0.json?["error"]?["code"]?.string == "unreadable_job" })
    }

    @Test("fail a job for good whose result the store refuses")
    func refusedResult() async throws {
        let queue = ScriptedQueue(jobs: 1) { request in
            request.path.last == "complete"
                ? StoreResponse(.contentTooLarge, #"{"detail":"the result is over 1 MiB","code":"too_large"}"#) : nil
        }
        let reports = try await queue.work()
        #expect(reports.map(\.outcome) == ["failed"])
        let failure = try #require(queue.requests("fail").first?.json)
        #expect(failure["retry"]?.bool == false && failure["error"]?["code"]?.string == "result_too_large")
        #expect(failure["error"]?["message"]?.string?.contains("over 1 MiB") == true)
    }

    @Test("end when their command cannot be started; its job goes back, and no more are taken")
    func unstartable() async throws {
        let queue = ScriptedQueue(jobs: 5)
        let failure = await #expect(throws: CommandFailure.self) { try await queue.work(path: "/no/such/program", concurrency: 1) }
        #expect(failure?.exit == .usage && failure?.message.contains("/no/such/program") == true)
        #expect(queue.requests("release").count == 1)
        #expect(queue.requests("leases").count == 1)
    }

    @Test("wait for jobs no longer than a third of a lease, which is counted from when it was asked for", arguments: [3, 600])
    func poll(seconds: Int) async throws {
        let queue = ScriptedQueue(jobs: 1)
        _ = try await queue.work(lease: .seconds(seconds))
        let waits = queue.requests("leases").compactMap { $0.item("wait").flatMap { Duration(text: $0) } }
        #expect(!waits.isEmpty && waits.allSatisfy { $0 == min(.seconds(20), .seconds(seconds) / 3) })
    }
}
