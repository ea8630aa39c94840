import GodwitCore
import GodwitWire
import HTTPTestSupport
import HTTPTypes
import Hummingbird
import Synchronization
import Testing

@testable import GodwitHTTP

/// What somebody whose token is for the queue `mail` alone makes of another queue, `billing`.
@Suite("Tokens for some queues alone")
struct LimitedTokenTests {
    private static let everything = Set(JobRoutes.Action.allCases)

    /// Routes whose requests come from whoever the test says.
    private final class Scene: Sendable {
        private let access = Mutex(Access.everybody)
        let server: TestServer

        init(_ server: TestServer) { self.server = server }

        /// - Parameter actions: of a token for mail; nil for everybody.
        func become(_ actions: Set<JobRoutes.Action>?) {
            access.withLock {
                $0 = actions.map { .known(Grant(name: "mail-token", actions: $0, queues: [QueuePattern("mail")])) } ?? .everybody
            }
        }

        var current: Access { access.withLock { $0 } }

        func commit(_ transactions: [Transaction]) async throws -> [BrokerError.Code?] {
            try await server.commit(transactions, at: "/commit").map { $0.error?.code }
        }

        func lease(_ queue: String, holder: String = "h") async throws -> Delivery {
            var request = try LeaseRequest.of(queue)
            request.holder.id = HolderID(holder)
            let reply = try await server.frames("/leases", Wire.encode(request))
            return try #require(try Wire.decodeDeliveries(Bytes(reply.body)).first)
        }

        /// A job that a publisher of everything made.
        func job(_ queue: String) async throws -> JobID {
            try #require(try await server.broker.commit(Transaction.job(queue).operations[0]).jobID)
        }

        func state(_ job: JobID) async throws -> JobState? { try await server.broker.read([job])[0].snapshot?.state }
    }

    private func run(_ test: @Sendable @escaping (Scene) async throws -> Void) async throws {
        let shared = Mutex<Scene?>(nil)
        try await MountedRoutes.run { broker in
            JobRoutes(
                broker: broker,
                serving: Self.everything,
                access: { shared.withLock { $0 }?.current ?? .nobody },
                watchKeys: WatchKeys([.random()])
            )
        } _: { server in
            let scene = Scene(server)
            shared.withLock { $0 = scene }
            try await test(scene)
        }
    }

    @Test("of the whole interface only what is known to whoever was told is open, and what looks at each item by itself")
    func table() async throws {
        let looked: Set<String> = [
            // Whoever knows a job's id, or has a lease.
            "GET jobs/:job", "GET jobs/:job/result", "GET jobs/:job/events", "POST jobs/:job/ticket", "POST leases/:lease/complete",
            "POST leases/:lease/fail", "POST leases/:lease/dead-letter", "POST leases/:lease/release", "POST leases/:lease/extend",
            "POST leases/:lease/progress", "POST leases/batch", "POST leases/renew",
            // Counters are everybody's; a holder's name is a token's own; a session's id is random, and known to its client.
            "POST counters/:counter", "GET counters/:counter", "DELETE holders/:holder", "DELETE sessions/:session",
            // These look at what their bodies or queries name.
            "POST leases", "GET jobs", "GET queues", "POST commit", "POST calls", "GET watch", "POST watch/:stream", "GET schedules",
            "DELETE schedules/:schedule", "GET workers",
        ]
        try await run { scene in
            let job = try await scene.job("billing")
            let table = JobRoutes(
                broker: scene.server.broker,
                serving: Self.everything,
                access: { .everybody },
                watchKeys: WatchKeys([.random()])
            ).table
            #expect(Set(table.filter { $0.reach == .known }.map { "\($0.method) \($0.path)" }) == looked)
            scene.become(Self.everything)
            for route in table where route.reach != .known {
                let path = route.path.split(separator: "/").map { item in
                    switch item {
                    case ":queue": "billing"
                    case ":job": job.description
                    case ":counter": "c"
                    default: String(item)
                    }
                }
                let reply = try await scene.server.send(route.method.rawValue, "/" + path.joined(separator: "/"))
                #expect(reply.status == 403, "\(route.method) \(route.path)")
            }
            for path in ["/jobs", "/jobs?queue=billing"] { #expect(try await scene.server.get(path).status == 403) }
            #expect(try await scene.server.get("/jobs?queue=mail").status == 200)
            #expect(try await scene.server.post("/leases?queue=mail&queue=billing").status == 403)
            #expect(try await scene.server.get("/queues").json["queues"].count == 0)
            #expect(try await scene.server.send("DELETE", "/schedules/nightly?queue=billing").status == 403)
            #expect(try await scene.state(job) == .queued)
        }
    }

    @Test("in a commit each operation is looked at, and what follows it")
    func operations() async throws {
        try await run { scene in
            func about(_ queue: String) async throws -> [Transaction] {
                let job = try await scene.job(queue), name = try QueueName(queue)
                var following = NewMessage(queue: try QueueName("mail"), payload: Content("1"))
                following.onFinal = [FollowUp(try #require(Transaction.job(queue).operations.first))]
                var cancelling = NewMessage(queue: try QueueName("mail"), payload: Content("1"))
                cancelling.onFinal = [FollowUp(.cancel(job))]
                let counted = Addition(key: .counter("c"), step: "1", target: 2, then: [.cancel(job)])
                return [
                    try .job(queue), Transaction(.enqueue(following)), Transaction(.enqueue(cancelling)), Transaction(.add(counted)),
                    Transaction(.put(RecordKey("r", home: .queue(name)), value: "1", expecting: .anything, lifetime: nil)),
                    Transaction(.delete(RecordKey("r", home: .queue(name)), expecting: .anything)),
                    // Of those that are carried out the last one meets a job that waits again.
                    Transaction(.cancel(job)), Transaction(.retry(job)), Transaction(.forget(job)), try .job("mail"),
                ]
            }
            scene.become(Self.everything)
            let own = try await scene.commit(about("mail")), other = try await scene.commit(about("billing"))
            #expect(own == Array(repeating: nil, count: 8) + [.wrongState, nil])
            #expect(other == Array(repeating: .forbidden, count: 9) + [nil])
            let store = [
                Transaction(.put(RecordKey("r"), value: "1", expecting: .anything, lifetime: nil)),
                Transaction(.delete(.counter("c"), expecting: .anything)), Transaction(.delete(RecordKey("r"), expecting: .anything)),
                Transaction(.cancel(JobID("none"))),
            ]
            #expect(try await scene.commit(store) == [.forbidden, .forbidden, .forbidden, .jobNotFound])
            scene.become(nil)
            _ = try await scene.job("mail")
            scene.become(Self.everything)
            let lease = try await scene.lease("mail").token, letter = Failure(message: "no")
            let settles = [
                Transaction(.deadLetter(lease, letter, to: try QueueName("billing"))),
                Transaction([.complete(lease, result: nil), try #require(Transaction.job("billing").operations.first)]),
                Transaction([.complete(lease, result: nil), try #require(Transaction.job("mail").operations.first)]),
            ]
            #expect(try await scene.commit(settles) == [.forbidden, .forbidden, nil])
        }
    }

    @Test("who publishes or works ends nobody's job by what follows, whichever way he says it")
    func cancels() async throws {
        try await run { scene in
            let job = try await scene.job("mail")
            let then = #"[{"cancel": "\#(job)"}]"#
            _ = try await scene.job("mail")
            scene.become([.publish, .work])
            let lease = try await scene.lease("mail").token
            for (path, body) in [
                ("/counters/c", #"{"step": "1", "at": 1, "then": \#(then)}"#),
                ("/queues/mail/jobs/batch", #"[{"payload": 1, "on_final": \#(then)}]"#),
                ("/commit", #"{"transactions": [{"operations": [{"add": {"key": "c", "step": "1", "at": 1, "then": \#(then)}}]}]}"#),
            ] {
                #expect(try await scene.server.post(path, body).status == 403, "\(path)")
            }
            let settled = try await scene.server.post(
                "/leases/batch",
                #"[{"lease": "\#(lease)", "complete": 1, "enqueue": [{"queue": "mail", "payload": 1, "on_final": \#(then)}]}]"#
            )
            #expect(try settled.json["results"][0]["status"].int == 403, "\(settled.text)")
            #expect(try await scene.server.broker.read([RecordKey.counter("c")]) == [nil])
            scene.become([.publish, .admin])
            let counted = try await scene.server.post("/counters/c", #"{"step": "1", "at": 1, "then": \#(then)}"#)
            #expect(counted.status == 200)
            // Of two jobs in the queue this one was leased first.
            #expect(try await scene.server.broker.read([RecordKey.counter("c")])[0]?.counter?.isComplete == true)
        }
    }

    @Test(
        "of leases that are settled together one that may not be is refused, the others are settled, in a session or not",
        arguments: [true, false]
    )
    func eachForItself(inSession: Bool) async throws {
        try await run { scene in
            for _ in 0..<3 { _ = try await scene.job("mail") }
            scene.become([.work])
            var leases: [LeaseToken] = []
            for _ in 0..<3 { leases.append(try await scene.lease("mail").token) }
            let body = """
                [{"lease": "\(leases[0])", "complete": 1},
                 {"lease": "\(leases[1])", "complete": 1, "enqueue": [{"queue": "billing", "payload": 1}]},
                 {"lease": "\(leases[2])", "dead_letter": {"error": "no", "to": "billing"}},
                 {"lease": "\(leases[2])", "fail": {"error": "no"}}]
                """
            for _ in 0..<(inSession ? 2 : 1) {
                let headers = inSession ? [("Godwit-Session", #""s"; n=1"#)] : []
                let reply = try await scene.server.post("/leases/batch", body, headers: headers)
                #expect(reply.status == 200, "\(reply.text)")
                let results = try reply.json["results"]
                #expect([0, 1, 2, 3].map { results[$0]["status"].int } == [200, 403, 403, 200])
                #expect(results[1]["error"]["code"].string == "forbidden")
            }
        }
    }

    @Test("calls are about the token's queues, each for itself")
    func calls() async throws {
        try await run { scene in
            let other = try await scene.job("billing"), own = try await scene.job("mail")
            let billing = try QueueName("billing"), mail = try QueueName("mail")
            func dead(_ target: String) -> QueueSettings {
                var settings = QueueSettings()
                settings.deadLetterQueue = target
                return settings
            }
            scene.become(Self.everything)
            func about(_ name: QueueName) -> [Call] {
                [
                    .browse(BrowseQuery(queue: name)), .list(JobQuery(queue: name)), .queue(name), .pause(name), .resume(name),
                    .configure(name, dead("mail-dead"), expecting: .anything, startsPaused: false),
                    .records([RecordKey("r", home: .queue(name))]),
                    .purge(name), .delete(name, purging: true),
                ]
            }
            let refused = try await scene.server.calls(about(billing), at: "/calls")
            #expect(refused.map { $0.refusal?.code } == Array(repeating: .forbidden, count: 9))
            let allowed = try await scene.server.calls(Array(about(mail).dropLast(3)), at: "/calls")
            // The queue for dead letters is none of the token's.
            #expect(allowed.map { $0.refusal?.code } == [nil, nil, nil, nil, nil, .forbidden])
            #expect(allowed.last?.refusal?.field == "dead_letter_queue")
            let others = try await scene.server.calls(
                [.payload(own), .list(JobQuery()), .records([RecordKey("r")]), .jobs([other]), .queues, .check],
                at: "/calls"
            )
            #expect(others.map { $0.refusal?.code } == [.forbidden, .forbidden, .forbidden, nil, nil, nil])
            guard case .queues(let queues) = others[4] else { throw TestFailure("\(others[4])") }
            #expect(queues.map(\.name) == [mail])
        }
    }

    @Test("who holds a job is shown to those who administer its queue, in no form to others")
    func holders() async throws {
        try await run { scene in
            for queue in ["mail", "billing"] { for _ in 0..<2 { _ = try await scene.job(queue) } }
            let own = try await scene.lease("mail", holder: "worker-1").job,
                other = try await scene.lease("billing", holder: "worker-1").job
            #expect(own.holder == HolderID("worker-1"))
            func seen() async throws -> [HolderID?] {
                guard case .jobs(let jobs) = try await scene.server.calls([.jobs([own.id, other.id])], at: "/calls")[0] else { return [] }
                return jobs.map { $0.snapshot?.holder }
            }
            #expect(try await seen() == [HolderID("worker-1"), HolderID("worker-1")])
            scene.become([.watch, .admin])
            #expect(try await seen() == [HolderID("worker-1"), nil])
            scene.become([.watch, .publish, .work])
            #expect(try await seen() == [nil, nil])
            #expect(try await scene.lease("mail").job.holder == nil)
            // Nobody is shown the holder of all who name none: it would let him end their leases.
            scene.become(nil)
            let anonymous = try #require(try await scene.server.post("/queues/billing/leases").json["leases"][0]["job"]["id"].string)
            let shared = try #require(try await scene.server.broker.read([JobID(anonymous)])[0].snapshot?.holder)
            let listed = try await scene.server.get("/jobs?queue=billing&state=running").text
            #expect(listed.contains("worker-1") && !listed.contains(shared.description))
            #expect(try await scene.server.send("DELETE", "/holders/\(shared)").status == 403)
            #expect(try await scene.state(JobID(anonymous)) == .running)
        }
    }

    @Test("a holder that is closed gives back the token's own leases")
    func closing() async throws {
        try await run { scene in
            for queue in ["mail", "billing", "billing"] { _ = try await scene.job(queue) }
            let other = try await scene.lease("billing", holder: "worker-1").job.id
            // Whatever names others give their holders: what a token puts before its own cannot be said.
            let alike = try await scene.lease("billing", holder: "mail-token/worker-1").job.id
            scene.become([.watch, .work])
            let own = try await scene.lease("mail", holder: "worker-1").job.id
            #expect(try await scene.server.send("DELETE", "/holders/worker-1").status == 204)
            #expect(try await scene.state(own) == .queued)
            #expect(try await scene.state(other) == .running)
            #expect(try await scene.state(alike) == .running)
            let long = String(repeating: "x", count: Limits.holderName)
            #expect(try await scene.server.post("/leases?queue=mail&holder=\(long)").json["field"].string == "holder")
            let again = try await scene.lease("mail", holder: "worker-1").job.id
            #expect(try await scene.server.send("DELETE", "/holders/mail-token%1Fworker-1").status == 400)
            scene.become(nil)
            #expect(try await scene.server.send("DELETE", "/holders/worker-1").status == 204)
            #expect(try await scene.state(other) == .queued)
            // Who may see them all may end them, by the name that is shown.
            #expect(try await scene.server.send("DELETE", "/holders/mail-token%1Fworker-1").status == 204)
            #expect(try await scene.state(again) == .queued)
        }
    }

    @Test("the event stream shows no holder to those who may not see it")
    func stream() async throws {
        let broker = try await TestServer.engine()
        let job = try #require(try await broker.commit(Transaction.job("mail").operations[0]).jobID)
        let options = HolderOptions(id: HolderID("h"), queues: [try QueueName("mail")], capacity: 1, isEmbedded: false)
        _ = try await broker.open(options).lease(max: 1, term: .queue, wait: .zero)
        for (actions, sees) in [([.watch, .work], false), ([.watch, .admin], true)] as [(Set<JobRoutes.Action>, Bool)] {
            let access = Access.known(Grant(name: "t", actions: actions, queues: [QueuePattern("mail")]))
            let permissions = Permissions(served: Self.everything, access: access, authorize: nil)
            let stream = WatchHub().openStream(on: broker, for: access) { permissions.shown($0, hiding: HolderID("shared")) }
            for event: WatchStream.Event? in [nil, .changed(1, .job(job, known: nil))] {
                if event == nil { try stream.watch(1, .job(job, known: nil), wait: .zero) }
                var events = [event].compactMap(\.self)
                if events.isEmpty, case .events(let next) = await stream.next() { events = next }
                guard let first = events.first, case .answered(_, .job(.found(let job))) = await stream.written(first) else {
                    throw TestFailure("\(events)")
                }
                #expect((job.holder != nil) == sees)
            }
            stream.drop()
        }
        await broker.close()
    }

    @Test("whose identity is lost may do nothing")
    func lost() async throws {
        try await MountedRoutes.run {
            JobRoutes(broker: $0, serving: Self.everything, access: { .nobody })
        } _: { server in
            let queues = try await server.get("/queues"), job = try await server.get("/jobs/x")
            let published = try await server.post("/queues/q/jobs", "{}")
            #expect([queues, job, published].map(\.status) == [403, 403, 403])
            let made = try await server.broker.queues()
            #expect(made.isEmpty)
        }
    }
}

extension CallAnswer {
    fileprivate var refusal: BrokerError? { if case .refused(let error) = self { error } else { nil } }
}
