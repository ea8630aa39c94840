import GodwitCore
import GodwitWire
import HTTPTestSupport
import HTTPTypes
import Hummingbird
import Testing

@testable import GodwitHTTP

@Suite("Calls")
struct CallTests {
    @Test("each call is answered by itself, in order")
    func calls() async throws {
        try await TestServer.run { server in
            let queue = try QueueName("q"), job = try #require(try await server.commit([try .job()])[0].get()[0].jobID)
            let key = RecordKey("r")
            _ = try await server.commit([Transaction(.put(key, value: "v", expecting: .anything, lifetime: nil))])
            var settings = QueueSettings()
            settings.maxJobs = 7
            let answers = try await server.calls([
                .jobs([job, JobID("none")]), .records([key, RecordKey("none")]), .payload(job), .result(job), .payload(JobID("none")),
                .browse(BrowseQuery(queue: queue)), .list(JobQuery(queue: queue)), .queues, .queue(queue), .queue(try QueueName("none")),
                .configure(try QueueName("new"), settings, expecting: .absent, startsPaused: true),
                .configure(try QueueName("new"), settings, expecting: .absent, startsPaused: true), .pause(queue), .queue(queue),
                .resume(queue), .purge(queue), .delete(try QueueName("new"), purging: false), .check,
                .browse(BrowseQuery(queue: queue, limit: 0)),
            ])
            #expect(answers.count == 19)
            guard case .jobs(let jobs) = answers[0], case .records(let records) = answers[1], case .content(let payload?) = answers[2],
                case .content(nil) = answers[3], case .refused(let missing) = answers[4], case .browsed(let page) = answers[5],
                case .listed(let list) = answers[6], case .queues(let queues) = answers[7], case .queue(let status?) = answers[8],
                case .queue(nil) = answers[9], case .queue(let made?) = answers[10], case .refused(let conflict) = answers[11],
                case .done = answers[12], case .queue(let paused?) = answers[13], case .done = answers[14],
                case .purged(let purged) = answers[15], case .done = answers[16], case .done = answers[17],
                case .refused(let limit) = answers[18]
            else { throw TestFailure("\(answers)") }
            #expect(jobs[0].snapshot?.state == .queued && jobs[1] == .unknown)
            #expect(records[0]?.value == "v" && records[1] == nil)
            #expect(payload == Content("1"))
            #expect(missing.code == .jobNotFound)
            #expect(page.jobs.first?.payload == Content("1"))
            #expect(list.jobs.map(\.id) == [job])
            #expect(queues.map(\.name) == [queue])
            #expect(status.counts.queued == 1)
            #expect(made.settings.maxJobs == 7 && made.isPaused)
            #expect(conflict.code == .versionConflict)
            #expect(paused.isPaused)
            #expect(purged == 1)
            #expect(limit.field == "limit")
        }
    }

    @Test("each call needs its action, and those that are allowed are answered")
    func permissions() async throws {
        try await MountedRoutes.run { broker in
            JobRoutes(broker: broker, serving: Set(JobRoutes.Action.allCases)) { request, action in
                request.headers[.authorization]?.contains(action.rawValue) == true
            }
        } _: { server in
            func refused(_ who: String) async throws -> [Bool] {
                let calls: [Call] = [
                    .check, .jobs([JobID("x")]), .records([.counter("c")]), .records([.counter("c"), RecordKey("r")]), .payload(JobID("x")),
                    .queues, .purge(try QueueName("q")),
                ]
                let reply = try await server.frames("/calls", Wire.encode(calls), headers: [("Authorization", who)])
                guard reply.status == 200 else { return [] }
                return try Wire.decodeAnswers(Bytes(reply.body)).map {
                    if case .refused(let error) = $0 { error.code == .forbidden } else { false }
                }
            }
            let publisher = try await refused("publish watch"), worker = try await refused("work")
            #expect(publisher == [false, false, false, true, true, true, true])
            #expect(worker == [false, true, true, true, true, true, true])
            let all = try await refused("admin publish watch"), watcher = try await refused("watch")
            #expect(all.count == 7 && !all.contains(true))
            #expect(watcher == [], "whoever only watches is not let in")
        }
    }

    @Test("an answer is bounded: what no longer has room is busy, what was asked for first is given")
    func room() async throws {
        try await TestServer.run { server in
            let large = NewMessage(queue: try QueueName("q"), payload: Content(Bytes([UInt8](repeating: 1, count: 1 << 20)), type: "a/b"))
            let job = try #require(try await server.broker.commit(.enqueue(large)).jobID)
            let answers = try await server.calls(Array(repeating: .payload(job), count: 40))
            let given = answers.prefix { if case .content = $0 { true } else { false } }
            #expect(given.count == 16)
            for answer in answers[16...] {
                guard case .refused(let error) = answer else { throw TestFailure("\(answer)") }
                #expect(error.code == .busy)
            }
            let keys = (0..<40).map { RecordKey("r\($0)") }
            for key in keys {
                _ = try await server.broker.commit(
                    .put(key, value: Bytes([UInt8](repeating: 1, count: 1 << 20)), expecting: .anything, lifetime: nil)
                )
            }
            guard case .refused(let error) = try await server.calls([.records(keys)])[0] else { throw TestFailure("given") }
            #expect(error.code == .tooLarge)
            guard case .records(let some) = try await server.calls([.records(Array(keys[..<16]))])[0] else { throw TestFailure("refused") }
            #expect(some.count == 16)
            guard case .refused(let many) = try await server.calls([.jobs(Array(repeating: job, count: 10_001))])[0] else {
                throw TestFailure("given")
            }
            #expect(many.code == .tooLarge)
        }
    }

    @Test("jobs that there are not fill an answer as well: in memory they take as much room")
    func unknownJobs() async throws {
        try await TestServer.run { server in
            let calls = Array(repeating: Call.jobs(Array(repeating: JobID("x"), count: 10_000)), count: 50)
            let answers = try await server.calls(calls)
            let given = answers.prefix { if case .jobs = $0 { true } else { false } }
            #expect(given.count == 6)
            for answer in answers[given.count...] {
                guard case .refused(let error) = answer else { throw TestFailure("\(answer)") }
                #expect(error.code == .busy)
            }
        }
    }

    @Test("other types, damaged frames and too many calls are refused")
    func badInput() async throws {
        try await TestServer.run { server in
            let json = try await server.post("/v1/calls", "[]")
            #expect(json.status == 415)
            #expect(json["accept"] == WireFormat.mediaType)
            #expect(try await server.frames("/v1/calls", [1]).status == 400)
            #expect(try await server.frames("/v1/calls", Wire.encode([Call]())).status == 400)
            #expect(try await server.frames("/v1/calls", Wire.encode(Array(repeating: Call.check, count: 1_001))).status == 400)
            #expect(try await server.frames("/v1/calls", [UInt8](repeating: 0, count: 1 << 20 + 1)).status == 413)
        }
    }
}
