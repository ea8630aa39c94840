import GodwitCore
import GodwitServer
import GodwitWire
import HTTPTestSupport
import HTTPTypes
import Hummingbird
import ServiceLifecycle
import Testing

@testable import GodwitHTTP

@Suite("The shared event stream")
struct WatchTests {
    /// An open stream, as its client reads it.
    private struct Stream {
        let connection: HTTPConnection
        let id: String
        var reader: WatchStreamReader

        init(_ server: TestServer, at path: String = "/v1/watch", headers: [(String, String)] = []) async throws {
            connection = try await server.connect()
            try await connection.request("GET", path, headers: [("Accept", WireFormat.mediaType)] + headers)
            let head = try await connection.head()
            guard head.status == 200, head["content-type"] == WireFormat.mediaType else { throw TestFailure("\(head)") }
            reader = WatchStreamReader()
            var opened: WatchEvent?
            while opened == nil {
                guard let chunk = try await connection.chunk() else { throw TestFailure("the stream ended") }
                reader.add(chunk)
                opened = try reader.next()
            }
            guard case .opened(let id) = opened else { throw TestFailure("\(opened as Any)") }
            self.id = id
        }

        /// The next event; nil at the stream's end.
        mutating func next() async throws -> WatchEvent? {
            while true {
                if let event = try reader.next() { return event }
                guard let chunk = try await connection.chunk() else { return nil }
                reader.add(chunk)
            }
        }

        /// The next answer, and the number that it is for.
        mutating func answer() async throws -> (UInt64, WatchAnswer) {
            while let event = try await next() {
                switch event {
                case .answered(let number, let answer): return (number, answer)
                case .alive: continue
                default: throw TestFailure("\(event)")
                }
            }
            throw TestFailure("the stream ended")
        }

        mutating func refusal() async throws -> (UInt64, BrokerError) {
            guard case .refused(let number, let error)? = try await next() else { throw TestFailure("not refused") }
            return (number, error)
        }
    }

    private func ask(_ server: TestServer, _ stream: Stream, _ requests: [WatchRequest]) async throws {
        let reply = try await server.frames("/v1/watch/\(stream.id)", Wire.encode(requests))
        guard reply.status == 204 else { throw TestFailure("\(reply.status) \(reply.text)") }
    }

    @Test("what is watched is answered once, when it changes or the wait is over")
    func answers() async throws {
        try await TestServer.run { server in
            let job = try #require(try await server.commit([try .job()])[0].get()[0].jobID)
            let known = try #require(try await server.broker.read([job])[0].snapshot?.version)
            var stream = try await Stream(server)
            // One that is at another version already.
            try await ask(server, stream, [.watch(number: 1, .job(job, known: nil), wait: .seconds(60))])
            guard case (1, .job(.found(let first))) = try await stream.answer() else { throw TestFailure("not answered") }
            #expect(first.version == known)
            // One that stays as it is.
            try await ask(server, stream, [.watch(number: 2, .job(job, known: known), wait: .milliseconds(20))])
            guard case (2, .unchanged) = try await stream.answer() else { throw TestFailure("not answered") }
            // Those that change while they are watched.
            let key = RecordKey("r")
            try await ask(
                server,
                stream,
                [
                    .watch(number: 3, .job(job, known: known), wait: .seconds(60)),
                    .watch(number: 4, .record(key, known: nil), wait: .seconds(60)),
                    .watch(number: 5, .job(JobID("none"), known: nil), wait: .seconds(60)),
                ]
            )
            guard case (5, .job(.unknown)) = try await stream.answer() else { throw TestFailure("not answered") }
            _ = try await server.commit([Transaction(.cancel(job))])
            guard case (3, .job(.found(let cancelled))) = try await stream.answer() else { throw TestFailure("not answered") }
            #expect(cancelled.state == .cancelled)
            _ = try await server.commit([Transaction(.put(key, value: "v", expecting: .absent, lifetime: nil))])
            guard case (4, .record(let record?)) = try await stream.answer() else { throw TestFailure("not answered") }
            #expect(record.value == "v")
        }
    }

    @Test("a watch that was given up is not answered, and one that is asked for again is the same one")
    func unwatch() async throws {
        try await TestServer.run { server in
            let jobs = try await server.commit([try .job(), try .job()]).map { try #require(try $0.get()[0].jobID) }
            let versions = try await server.broker.read(jobs).map { $0.snapshot?.version }
            var stream = try await Stream(server)
            func watch(_ index: Int) -> WatchRequest {
                .watch(number: UInt64(index), .job(jobs[index], known: versions[index]), wait: .seconds(60))
            }
            try await ask(server, stream, [watch(0), watch(1), watch(1), watch(1), .unwatch(number: 0), .unwatch(number: 99)])
            _ = try await server.commit(jobs.map { Transaction(.cancel($0)) })
            guard case (1, .job) = try await stream.answer() else { throw TestFailure("not answered") }
            try await ask(server, stream, [.watch(number: 7, .job(jobs[0], known: nil), wait: .seconds(60))])
            guard case (7, .job) = try await stream.answer() else { throw TestFailure("another one was answered") }
        }
    }

    @Test("what is given up makes room before anything else, wherever it stands in the request")
    func unwatchFirst() async throws {
        try await TestServer.run { server in
            let job = try #require(try await server.commit([try .job()])[0].get()[0].jobID)
            let known = try await server.broker.read([job])[0].snapshot?.version
            func watches(_ numbers: Range<Int>) -> [WatchRequest] {
                numbers.map { .watch(number: UInt64($0), .job(job, known: known), wait: .seconds(600)) }
            }
            func unwatches(_ numbers: Range<Int>) -> [WatchRequest] { numbers.map { .unwatch(number: UInt64($0)) } }
            var stream = try await Stream(server)
            try await ask(server, stream, watches(0..<WatchHub.watchesPerStream))
            try await ask(server, stream, watches(20_000..<22_000) + unwatches(0..<2_000))
            _ = try await server.commit([Transaction(.cancel(job))])
            var answered: Set<UInt64> = []
            while answered.count < WatchHub.watchesPerStream { answered.insert(try await stream.answer().0) }
            #expect(answered == Set((2_000..<10_000).map { UInt64($0) } + (20_000..<22_000).map { UInt64($0) }))
        }
    }

    @Test("an idle stream says that it is alive")
    func alive() async throws {
        var options = ServerOptions()
        options.limits.keepAlive = .milliseconds(30)
        try await TestServer.run(options) { server in
            var stream = try await Stream(server)
            for _ in 0..<3 {
                guard case .alive = try await stream.next() else { throw TestFailure("something else came") }
            }
        }
    }

    @Test("who does not accept frames, asks on no stream, or in another form is refused")
    func badInput() async throws {
        try await TestServer.run { server in
            for headers in [[], [("Accept", "*/*")], [("Accept", "text/event-stream")]] {
                let reply = try await server.get("/v1/watch", headers: headers)
                #expect(reply.status == 406)
                #expect(try reply.json["code"].string == "not_acceptable")
            }
            let gone = try await server.frames("/v1/watch/nothing", Wire.encode([WatchRequest.unwatch(number: 1)]))
            #expect(gone.status == 404)
            #expect(try gone.json["code"].string == "stream_not_found")
            let stream = try await Stream(server)
            #expect(try await server.post("/v1/watch/\(stream.id)", "[]").status == 415)
            let whole = Wire.encode([WatchRequest.watch(number: 1, .job(JobID("x"), known: nil), wait: .zero)])
            for end in [0, 10, whole.count - 1] {
                #expect(try await server.frames("/v1/watch/\(stream.id)", Array(whole.prefix(end))).status == 400)
            }
            let many = Array(repeating: WatchRequest.unwatch(number: 1), count: 20_001)
            #expect(try await server.frames("/v1/watch/\(stream.id)", Wire.encode(many)).status == 400)
        }
    }

    @Test("a stream whose client hangs up is gone, and its watches with it")
    func hangUp() async throws {
        try await TestServer.run { server in
            let job = try #require(try await server.commit([try .job()])[0].get()[0].jobID)
            let known = try await server.broker.read([job])[0].snapshot?.version
            let stream = try await Stream(server)
            try await ask(server, stream, [.watch(number: 1, .job(job, known: known), wait: .seconds(60))])
            try await stream.connection.close()
            let ask = Wire.encode([WatchRequest.unwatch(number: 1)])
            try await server.eventually { try await server.frames("/v1/watch/\(stream.id)", ask).status == 404 }
        }
    }

    @Test("a drain writes what is answered, says that it closes, and ends the stream at once")
    func drain() async throws {
        let broker = try await TestServer.engine()
        var options = ServerOptions()
        options.port = 0
        options.drainTime = .milliseconds(200)
        let server = GodwitServer(broker: broker, options: options, logger: TestServer.logger)
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: TestServer.logger))
        let running = Task { try await group.run() }
        let client = TestServer(broker: broker, address: try await server.address)
        let job = try #require(try await client.commit([try .job()])[0].get()[0].jobID)
        let known = try await broker.read([job])[0].snapshot?.version
        var stream = try await Stream(client)
        try await ask(client, stream, [.watch(number: 1, .job(job, known: known), wait: .seconds(600))])
        await group.triggerGracefulShutdown()
        guard case .closing(retryAfter: .seconds(1))? = try await stream.next() else { throw TestFailure("something else came") }
        #expect(try await stream.next() == nil)
        try await running.value
        await broker.close()
    }

    @Test("jobs need the action watch, counters publish, other records admin: what is not allowed is refused on the stream")
    func permissions() async throws {
        try await MountedRoutes.run { broker in
            JobRoutes(broker: broker, serving: Set(JobRoutes.Action.allCases)) { request, action in
                request.headers[.authorization]?.contains(action.rawValue) == true
            }
        } _: { server in
            #expect(try await server.get("/watch", headers: [("Accept", WireFormat.mediaType), ("Authorization", "watch")]).status == 403)
            var stream = try await Stream(server, at: "/watch", headers: [("Authorization", "publish")])
            let requests: [WatchRequest] = [
                .watch(number: 1, .job(JobID("x"), known: nil), wait: .zero),
                .watch(number: 2, .record(.counter("c"), known: nil), wait: .zero),
                .watch(number: 3, .record(RecordKey("r"), known: nil), wait: .zero),
            ]
            func ask(_ who: String) async throws {
                let reply = try await server.frames("/watch/\(stream.id)", Wire.encode(requests), headers: [("Authorization", who)])
                #expect(reply.status == 204)
            }
            try await ask("publish")
            var events: [UInt64: Bool] = [:]
            while events.count < 3 {
                switch try await stream.next() {
                case .answered(let number, _): events[number] = true
                case .refused(let number, let error):
                    #expect(error.code == .forbidden)
                    events[number] = false
                default: break
                }
            }
            #expect(events == [1: false, 2: true, 3: false])
            try await ask("admin watch publish")
            for _ in 0..<3 { _ = try await stream.answer() }
        }
    }

    @Test("as many watches are open as there may be: one more is busy")
    func bound() async throws {
        try await TestServer.run { server in
            let job = try #require(try await server.commit([try .job()])[0].get()[0].jobID)
            let known = try await server.broker.read([job])[0].snapshot?.version
            var stream = try await Stream(server)
            func watches(_ numbers: Range<Int>) -> [WatchRequest] {
                numbers.map { .watch(number: UInt64($0), .job(job, known: known), wait: .seconds(600)) }
            }
            try await ask(server, stream, watches(0..<WatchHub.watchesPerStream))
            try await ask(server, stream, watches(20_000..<20_001))
            let (number, error) = try await stream.refusal()
            #expect(number == 20_000 && error.code == .busy && error.retryAfter != nil)
            try await ask(server, stream, [.unwatch(number: 0)] + watches(20_001..<20_002))
            _ = try await server.commit([Transaction(.cancel(job))])
            var answered: Set<UInt64> = []
            while answered.count < WatchHub.watchesPerStream { answered.insert(try await stream.answer().0) }
            #expect(!answered.contains(0) && answered.contains(20_001))
        }
    }

    @Test("streams end with the rights that they were opened with", arguments: [true, false])
    func tenure(_ isRevoked: Bool) async throws {
        let gone = Latch()
        try await MountedRoutes.run { broker in
            JobRoutes(
                broker: broker,
                serving: Set(JobRoutes.Action.allCases),
                access: {
                    var grant = Grant(name: "a", actions: Set(JobRoutes.Action.allCases))
                    grant.tenure = Tenure(end: isRevoked ? nil : WallClock.now() + .milliseconds(300), revoked: gone)
                    return .known(grant)
                }
            )
        } _: { server in
            let job = try #require(try await server.commit([try .job()], at: "/commit")[0].get()[0].jobID)
            let events = try await server.connect()
            try await events.request("GET", "/jobs/\(job)/events")
            #expect(try await events.head().status == 200)
            var stream = try await Stream(server, at: "/watch")
            if isRevoked { gone.set() }
            // They are open for ever otherwise: the job stays as it is, and nothing else ends them.
            while try await events.chunk() != nil {}
            var last: WatchEvent?
            while let event = try await stream.next() { last = event }
            guard case .closing? = last else { throw TestFailure("\(String(describing: last))") }
        }
    }
}
