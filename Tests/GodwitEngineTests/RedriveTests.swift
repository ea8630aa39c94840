import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Browsing, redriving and giving back", .timeLimit(.minutes(2)))
struct RedriveTests {
    private static let dead = QueueName.name("dead")

    private func die(_ store: Fixture, _ queue: QueueName = .work) async throws {
        try await store.run(.fail(try await store.leaseOne(queue).token, Failure(message: "no"), retry: .never))
    }

    @Test("waiting jobs are browsed with their payloads, oldest first, and nothing changes")
    func browse() async throws {
        let store = try await Fixture()
        try await store.publish(.work, "running")
        _ = try await store.leaseOne()
        for index in 0..<5 {
            try await store.publish(.work, "\(index)") { $0.headers = [Header(name: "n", value: "\(index)")] }
            try await store.publish(.other, "other")
        }
        try await store.publish(.work, "later") { $0.start = .after(.seconds(9)) }
        var texts: [String] = [], cursor: String?, pages = 0
        repeat {
            let page = try await store.engine.browse(BrowseQuery(queue: .work, limit: 2, cursor: cursor))
            texts += page.jobs.map { $0.payload?.bytes.text ?? "" }
            cursor = page.next
            pages += 1
            #expect(page.jobs.count <= 2)
        } while cursor != nil && pages < 20
        #expect(texts == ["0", "1", "2", "3", "4", "later"])
        let first = try await store.engine.browse(BrowseQuery(queue: .work)).jobs[0]
        #expect(first.headers == [Header(name: "n", value: "0")] && first.job.state == .queued && first.job.deliveries == 0)
        #expect(try await store.status().counts.queued == 5)
        _ = await expectError(.queueNotFound) { _ = try await store.engine.browse(BrowseQuery(queue: .name("no"))) }
        _ = await expectError(.invalidArgument) { _ = try await store.engine.browse(BrowseQuery(queue: .work, limit: 0)) }
        _ = await expectError(.invalidArgument) { _ = try await store.engine.browse(BrowseQuery(queue: .work, cursor: "!")) }
        _ = try await store.engine.purge(.work)
        #expect(try await store.engine.browse(BrowseQuery(queue: .work)).jobs.isEmpty)
    }

    @Test("a dead letter goes back to where it came from, with its history, and dies again with it")
    func moved() async throws {
        var store = try await Fixture()
        try await store.configure { $0.deadLetterQueue = "dead" }
        let original = try await store.publish(.work, "1") {
            $0.group = "g"
            $0.name = "mail"
        }
        try await die(store)
        let letter = try #require(try await store.engine.list(JobQuery(queue: Self.dead)).jobs.first)
        let results = try await store.run(.redrive(letter.id))
        let again = try #require(results[0].jobID)
        store = try await store.crashed()
        #expect(try await store.engine.read([letter.id]) == [.forgotten])
        let job = try await store.job(again)
        #expect(job.queue == .work && job.state == .queued && job.name == "mail" && job.group == "g" && job.deaths == letter.deaths)
        #expect(try await store.status(Self.dead).counts == QueueStatus.Counts())
        #expect(try await store.status(Self.dead).bytes == 0)
        try await die(store)
        let second = try #require(try await store.engine.list(JobQuery(queue: Self.dead)).jobs.first)
        #expect(second.deaths.count == 1 && second.deaths[0].count == 2 && second.deaths[0].job == again)
        #expect(second.deaths[0].firstAt <= second.deaths[0].lastAt && original != again)
        // The queue that it came from is made again.
        try await store.engine.delete(.work, purging: true)
        try await store.run(.redrive(second.id))
        #expect(try await store.status().counts.queued == 1)
    }

    @Test("what failed or expired in its place is retried; what is no dead letter is refused")
    func inPlace() async throws {
        let store = try await Fixture()
        let failed = try await store.publish { $0.maxAttempts = 1 }
        try await die(store)
        let expired = try await store.publish { $0.expires = .seconds(1) }
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.run(.redrive(failed)) == [.state(.queued)])
        #expect(try await store.run(.redrive(expired)) == [.state(.queued)])
        _ = await expectError(.wrongState) { try await store.run(.redrive(failed)) }
        try await store.run(.cancel(failed))
        _ = await expectError(.wrongState) { try await store.run(.redrive(failed)) }
        let running = try await store.leaseOne().job.id
        _ = await expectError(.wrongState) { try await store.run(.redrive(running)) }
        _ = await expectError(.jobNotFound) { try await store.run(.redrive(JobID("no"))) }
    }

    @Test("a queue's dead letters are redriven by name and reason, page by page, and none that comes later")
    func byFilter() async throws {
        let store = try await Fixture()
        for name in ["a", "b", "a", "a"] {
            try await store.publish(.work, name) { $0.name = name }
            try await die(store)
        }
        try await store.publish(.work, "x") {
            $0.name = "a"
            $0.expires = .seconds(1)
        }
        await store.clock.advance(by: .seconds(1))
        var query = RedriveQuery(queue: .work, name: "a", reason: .rejected, limit: 2), redriven = 0, pages = 0
        repeat {
            let page = try await store.engine.redrive(query)
            redriven += page.redriven
            query.cursor = page.next
            pages += 1
            await store.clock.advance(by: .seconds(1))
            // It fails again at once.
            if pages == 1 {
                try await store.publish(.work, "new") {
                    $0.name = "a"
                    $0.priority = 9
                }
                try await die(store)
            }
        } while query.cursor != nil && pages < 20
        #expect(redriven == 3 && pages >= 2)
        #expect(try await store.lease(9).map(\.text) == ["a", "a", "a"])
        let expired = try await store.engine.redrive(RedriveQuery(queue: .work, reason: .expired))
        #expect(expired == RedrivePage(redriven: 1, refused: 0, next: nil))
        _ = await expectError(.queueNotFound) { _ = try await store.engine.redrive(RedriveQuery(queue: .name("no"))) }
        _ = await expectError(.invalidArgument) { _ = try await store.engine.redrive(RedriveQuery(queue: .work, limit: 0)) }
        _ = await expectError(.invalidArgument) { _ = try await store.engine.redrive(RedriveQuery(queue: .work, cursor: "x")) }
    }

    private func redriveAll(_ store: Fixture, limit: Int = Limits.operations, between: () async throws -> Void = {}) async throws -> Int {
        var query = RedriveQuery(queue: .work, limit: limit), redriven = 0
        repeat {
            let page = try await store.engine.redrive(query)
            redriven += page.redriven
            query.cursor = page.next
            if query.cursor != nil { try await between() }
        } while query.cursor != nil
        return redriven
    }

    @Test("a queue is redriven whole when its newest jobs were created before its dead letters, as imported ones are")
    func olderNewcomers() async throws {
        let store = try await Fixture()
        for _ in 0..<3 {
            try await store.publish()
            try await die(store)
        }
        for _ in 0..<(2 * Limits.operations) {
            try await store.publish { $0.past = JobPast(createdAt: Timestamp(milliseconds: 1_000)) }
        }
        #expect(try await redriveAll(store) == 3)
    }

    @Test("a queue is redriven whole when what is stored of its newest job cannot be read")
    func unreadableNewcomer() async throws {
        let store = try await Fixture()
        try await store.publish()
        try await die(store)
        try await store.publish { $0.name = "a name that rots" }
        let bytes = try #require(store.storage.contents(of: "segment-00000001"))
        let place = try #require(bytes.firstRange(of: Array("a name that rots".utf8)))
        store.storage.flip(0x10, of: "segment-00000001", at: place.lowerBound)
        #expect(try await redriveAll(store) == 1)
    }

    @Test("what dies while a queue is redriven is left alone, however many jobs of others lie behind its own")
    func manyOthers() async throws {
        let store = try await Fixture()
        for _ in 0..<3 {
            try await store.publish()
            try await die(store)
        }
        let others = [GodwitCore.Operation](repeating: .enqueue(NewMessage(queue: .other, payload: Content("1"))), count: Limits.operations)
        for _ in 0...(Limits.pageScan / Limits.operations) { _ = try await store.engine.commit([Transaction(others)]) }
        var deaths = 0
        let redriven = try await redriveAll(store, limit: 2) {
            guard deaths == 0 else { return }
            deaths = 1
            await store.clock.advance(by: .seconds(1))
            try await store.publish { $0.priority = 9 }
            try await die(store)
        }
        #expect(redriven == 3 && deaths == 1)
    }

    @Test("a queue of dead letters is emptied back into all queues that they came from")
    func allBack() async throws {
        let store = try await Fixture()
        for queue in [QueueName.work, .other] {
            try await store.configure(queue) { $0.deadLetterQueue = "dead" }
            for index in 0..<3 {
                try await store.publish(queue, "\(queue)\(index)")
                try await die(store, queue)
            }
        }
        #expect(try await store.engine.redrive(RedriveQuery(queue: Self.dead)).redriven == 6)
        #expect(try await store.lease(9).map(\.text) == ["work0", "work1", "work2"])
        #expect(try await store.lease(9, .other).map(\.text) == ["other0", "other1", "other2"])
        #expect(try await store.engine.redrive(RedriveQuery(queue: .work)).redriven == 0, "their dead letters were elsewhere")
    }

    @Test("a dead letter that cannot go back keeps no other one from it")
    func stuck() async throws {
        let store = try await Fixture { $0.maxQueues = 3 }
        for queue in [QueueName.work, .other] {
            try await store.configure(queue) { $0.deadLetterQueue = "dead" }
            try await store.publish(queue, "\(queue)")
            try await die(store, queue)
        }
        try await store.engine.delete(.work, purging: true)
        try await store.publish(.name("third"))
        let page = try await store.engine.redrive(RedriveQuery(queue: Self.dead))
        #expect(page == RedrivePage(redriven: 1, refused: 1, next: nil))
        #expect(try await store.lease(9, .other).map(\.text) == ["other"])
    }

    @Test("a job whose claim another one owns keeps no other dead letter from its chance")
    func claimed() async throws {
        let store = try await Fixture()
        for claim in ["ada", nil] {
            try await store.publish { $0.claim = claim }
            try await die(store)
        }
        try await store.publish { $0.claim = "ada" }
        #expect(try await store.engine.redrive(RedriveQuery(queue: .work)) == RedrivePage(redriven: 1, refused: 1, next: nil))
    }

    @Test("a job that has its other chance already is no dead letter while it waits")
    func otherChance() async throws {
        let store = try await Fixture()
        try await store.configure { $0.deadLetterQueue = "dead" }
        try await store.publish()
        try await die(store)
        #expect(try await store.engine.redrive(RedriveQuery(queue: Self.dead)).redriven == 1)
        let job = try #require(try await store.engine.list(JobQuery(queue: .work, state: .queued)).jobs.first)
        #expect(try await store.engine.redrive(RedriveQuery(queue: .work)) == RedrivePage(redriven: 0, refused: 0, moved: 1, next: nil))
        _ = await expectError(.wrongState) { try await store.run(.redrive(job.id)) }
        #expect(try await store.job(job.id).state == .queued)
    }

    @Test("jobs are listed by name and reason, oldest first where that is asked for")
    func filters() async throws {
        let store = try await Fixture()
        for name in ["a", "b", "a"] {
            try await store.publish(.work, name) { $0.name = name }
            if name == "a" { try await die(store) }
        }
        let all = try await store.engine.list(JobQuery(queue: .work)).jobs.map(\.id)
        #expect(try await store.engine.list(JobQuery(queue: .work, isOldestFirst: true)).jobs.map(\.id) == all.reversed())
        #expect(try await store.engine.list(JobQuery(queue: .work, name: "b")).jobs.map(\.id) == [all[1]])
        #expect(try await store.engine.list(JobQuery(reason: .rejected)).jobs.count == 2)
        #expect(try await store.engine.list(JobQuery(reason: .expired)).jobs.isEmpty)
        let page = try await store.engine.list(JobQuery(isOldestFirst: true, limit: 2))
        #expect(try await store.engine.list(JobQuery(isOldestFirst: true, limit: 2, cursor: page.next)).jobs.map(\.id) == [all[0]])
    }

    @Test("a job goes back to its place, or behind all others, with other headers")
    func release() async throws {
        var store = try await Fixture()
        for index in 0..<3 {
            try await store.publish(.work, "\(index)") {
                $0.headers = [Header(name: "a", value: "1"), Header(name: "b", value: "2"), Header(name: "a", value: "3")]
            }
        }
        var token = try await store.leaseOne().token
        try await store.run(.release(token, delay: nil, counted: false, to: .original, amending: [Header(name: "a", value: "4")]))
        store = try await store.killed()
        var first = try await store.leaseOne()
        #expect(first.text == "0" && first.headers == [Header(name: "b", value: "2"), Header(name: "a", value: "4")])
        let more = [Header(name: "c", value: "5"), Header(name: "a", value: "6")]
        try await store.run(.release(first.token, delay: nil, counted: false, to: .back, amending: more))
        store = try await store.crashed()
        #expect(try await store.leaseOne().text == "1")
        #expect(try await store.leaseOne().text == "2")
        first = try await store.leaseOne()
        #expect(first.text == "0" && first.headers == [Header(name: "b", value: "2")] + more && first.job.attempt == 1)
        token = first.token
        let much = [Header(name: "d", value: String(repeating: "x", count: Limits.headerBytes - 4))]
        #expect(
            await expectError(.invalidArgument) {
                try await store.run(.release(token, delay: nil, counted: false, to: .original, amending: much))
            }?.field == "headers"
        )
        // They stay with it, also when it ends, is retried, or dies.
        try await store.configure { $0.deadLetterQueue = "dead" }
        let id = first.job.id
        try await store.run(.cancel(id), .retry(id))
        first = try await store.leaseOne()
        #expect(first.headers == [Header(name: "b", value: "2")] + more)
        try await store.run(.fail(first.token, Failure(message: "no"), retry: .never))
        #expect(try await store.killed().leaseOne(Self.dead).headers == [Header(name: "b", value: "2")] + more)
    }

    @Test("a release to the back with a delay waits its time, and is the last of those that are there then")
    func backLater() async throws {
        let store = try await Fixture()
        for index in 0..<2 { try await store.publish(.work, "\(index)") }
        try await store.run(.release(try await store.leaseOne().token, delay: .seconds(1), counted: false, to: .back))
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.killed().lease(9).map(\.text) == ["1", "0"])
    }
}
