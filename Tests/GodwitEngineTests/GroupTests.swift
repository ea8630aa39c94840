import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Ordered groups", .timeLimit(.minutes(2)))
struct GroupTests {
    @discardableResult
    private func publish(_ store: Fixture, _ group: String, _ text: String, _ change: (inout NewMessage) -> Void = { _ in }) async throws
        -> JobID
    {
        try await store.publish(.work, text) {
            $0.group = group
            change(&$0)
        }
    }

    private func complete(_ store: Fixture, _ delivery: Delivery) async throws {
        try await store.run(.complete(delivery.token, result: nil))
    }

    @Test("one job of a group runs at a time, in order; groups run side by side")
    func order() async throws {
        var store = try await Fixture()
        for text in ["a1", "b1", "a2", "b2", "a3"] { try await publish(store, String(text.prefix(1)), text) }
        try await store.publish(.work, "free")
        var leased = try await store.lease(10)
        #expect(leased.map(\.text) == ["a1", "b1", "free"])
        #expect(leased.map(\.job.group) == ["a", "b", nil])
        #expect(try await store.status().counts.queued == 3)
        store = try await store.crashed()
        #expect(try await store.lease(10).isEmpty)
        try await complete(store, leased[0])
        leased = try await store.lease(10)
        #expect(leased.map(\.text) == ["a2"])
        try await complete(store, leased[0])
        #expect(try await store.lease(10).map(\.text) == ["a3"])
        #expect(try await store.status().counts.queued == 1)
    }

    @Test("a waiting call gets the next of a group as soon as the one before has ended")
    func waiting() async throws {
        let store = try await Fixture()
        try await publish(store, "a", "1")
        try await publish(store, "a", "2")
        let first = try await store.leaseOne()
        async let second = store.holder("other").lease(max: 1, term: .queue, wait: .seconds(60))
        try await eventually("somebody waits") {
            try await store.engine.check(); return true
        }
        try await complete(store, first)
        #expect(try await second.map(\.text) == ["2"])
    }

    @Test("a job that waits for a retry, for its time, or after a release keeps its group waiting")
    func blocked() async throws {
        var store = try await Fixture()
        let scheduled = try await publish(store, "a", "1") { $0.start = .after(.seconds(10)) }
        try await publish(store, "a", "2")
        #expect(try await store.lease(10).isEmpty)
        await store.clock.advance(by: .seconds(10))
        let first = try await store.leaseOne()
        #expect(first.job.id == scheduled)
        try await store.run(.fail(first.token, Failure(message: "no"), retry: .after(.seconds(5))))
        store = try await store.killed()
        #expect(try await store.lease(10).isEmpty)
        await store.clock.advance(by: .seconds(5))
        let again = try await store.leaseOne()
        #expect(again.text == "1")
        try await store.run(.release(again.token, delay: .seconds(3), counted: false))
        #expect(try await store.lease(10).isEmpty)
        await store.clock.advance(by: .seconds(3))
        #expect(try await store.lease(10).map(\.text) == ["1"])
        // A lease that expires brings it back to the front.
        await store.clock.advance(by: .seconds(40))
        let last = try await store.lease(10)
        #expect(last.map(\.text) == ["1"])
        try await store.run(.fail(last[0].token, Failure(message: "no"), retry: .never))
        #expect(try await store.lease(10).map(\.text) == ["2"])
    }

    @Test("priority does not reorder a group, and its first job stands in line by its own")
    func priority() async throws {
        let store = try await Fixture()
        try await publish(store, "a", "1")
        try await publish(store, "a", "2") { $0.priority = 9 }
        try await store.publish(.work, "free") { $0.priority = 5 }
        let leased = try await store.lease(10)
        #expect(leased.map(\.text) == ["free", "1"])
        try await complete(store, leased[1])
        #expect(try await store.lease(10).map(\.text) == ["2"])
    }

    @Test("cancelled, expired and purged members are passed over, before and after a restart")
    func ended() async throws {
        var store = try await Fixture()
        try await publish(store, "a", "1")
        let cancelled = try await publish(store, "a", "2")
        try await publish(store, "a", "3") { $0.expires = .seconds(1) }
        try await publish(store, "a", "4")
        let first = try await store.leaseOne()
        try await store.run(.cancel(cancelled))
        await store.clock.advance(by: .seconds(1))
        store = try await store.killed()
        try await complete(store, first)
        let fourth = try await store.leaseOne()
        #expect(fourth.text == "4")
        try await publish(store, "a", "5")
        #expect(try await store.engine.purge(.work) == 1)
        try await publish(store, "a", "6")
        store = try await store.killed()
        #expect(try await store.lease(10).isEmpty)
        try await complete(store, fourth)
        #expect(try await store.lease(10).map(\.text) == ["6"])
        _ = try await store.engine.purge(.work)
    }

    @Test("what ran while its queue was purged, and comes back, is first in its group still", arguments: [false, true])
    func purgedMeanwhile(isReleased: Bool) async throws {
        var store = try await Fixture()
        try await publish(store, "a", "1")
        try await publish(store, "a", "2")
        let token = try await store.leaseOne().token
        #expect(try await store.engine.purge(.work) == 1)
        try await publish(store, "a", "3")
        let failure = Failure(message: "no")
        try await store.run(
            isReleased ? .release(token, delay: nil, counted: false) : .fail(token, failure, retry: .after(.zero))
        )
        let again = try await store.lease(10)
        #expect(again.map(\.text) == ["1"])
        store = try await store.killed()
        try await complete(store, again[0])
        #expect(try await store.lease(10).map(\.text) == ["3"])
    }

    @Test("the first of a group is cancelled while it runs or waits: the next one's turn has come")
    func firstEnds() async throws {
        let store = try await Fixture()
        var ids: [JobID] = []
        for index in 1...4 { ids.append(try await publish(store, "a", "\(index)")) }
        try await store.run(.cancel(ids[0]))
        #expect(try await store.leaseOne().text == "2")
        try await store.run(.cancel(ids[1]))
        #expect(try await store.leaseOne().text == "3")
        try await store.engine.delete(.work, purging: true)
        #expect(try await store.killed().lease(10).isEmpty)
        try await publish(store, "a", "new")
        #expect(try await store.lease(10).map(\.text) == ["new"])
    }

    @Test("a retried job goes to the back of its group; one that goes to the back lets the others pass")
    func back() async throws {
        var store = try await Fixture()
        let first = try await publish(store, "a", "1")
        for index in 2...3 { try await publish(store, "a", "\(index)") }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        try await store.run(.retry(first))
        store = try await store.killed()
        #expect(try await store.job(first).group == "a")
        let second = try await store.leaseOne()
        try await store.run(.release(second.token, delay: nil, counted: false, to: .back))
        store = try await store.killed()
        for text in ["3", "1", "2"] {
            let next = try await store.lease(10)
            #expect(next.map(\.text) == [text])
            try await complete(store, next[0])
        }
        // Alone in its group it is in its line again at once.
        try await publish(store, "b", "4")
        try await store.run(.release(try await store.leaseOne().token, delay: nil, counted: false, to: .back))
        #expect(try await store.leaseOne().text == "4")
    }

    @Test("of what ends behind the first of a group nothing is left in it")
    func endedBehind() throws {
        let clock = ManualClock(start: Fixture.start), storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        var settings = QueueSettings()
        settings.retention = .none
        func publish(_ core: inout EngineCore, _ start: NewMessage.Start = .now) -> UInt64 {
            let sequence = core.state.nextSequence
            core.turn(
                [
                    (
                        1,
                        Core.publish {
                            $0.group = "g"
                            $0.start = start
                        }
                    )
                ],
                at: clock.now()
            )
            return sequence
        }
        core.turn([(1, .configure(.work, settings, .anything))], at: clock.now())
        let first = publish(&core, .after(.seconds(30 * 86_400)))
        for _ in 0..<500 {
            let sequence = publish(&core)
            let name = JobName(id: core.state.identity.jobID(sequence), sequence: sequence)
            core.turn([(2, .commit([.one(.cancel(name))], nil))], at: clock.now())
        }
        let last = publish(&core)
        let members = core.state.groups.memberCount, groups = [first, last].map { core.state.groups.group(of: $0) }
        #expect(members == 2 && groups[0] == groups[1] && groups[0] != nil)
    }

    @Test("a cancelled member that is retried goes to the back of its group, as any job that is retried after its end does")
    func retriedBehind() async throws {
        for isKilled in [false, true] {
            var store = try await Fixture()
            try await publish(store, "a", "1")
            let second = try await publish(store, "a", "2")
            try await publish(store, "a", "3")
            let first = try await store.leaseOne()
            try await store.run(.cancel(second))
            try await store.run(.retry(second))
            if isKilled { store = try await store.killed() }
            try await complete(store, first)
            for text in ["3", "2"] {
                let next = try await store.lease(10)
                #expect(next.map(\.text) == [text])
                try await complete(store, next[0])
            }
        }
    }

    @Test("dead letters and redriven ones stay in their group")
    func deadLetters() async throws {
        let store = try await Fixture()
        try await store.configure { $0.deadLetterQueue = "dead" }
        for index in 1...3 { try await publish(store, "a", "\(index)") }
        for _ in 0..<2 { try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never)) }
        let dead = QueueName.name("dead")
        let letters = try await store.lease(10, dead)
        #expect(letters.map(\.text) == ["1"] && letters[0].job.group == "a")
        #expect(try await store.status(dead).counts.queued == 1)
    }

    @Test("thousands of groups, in random order, keep theirs over a restart", arguments: [1, 2] as [UInt64])
    func many(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        var store = try await Fixture { $0.segmentBytes = 4 << 20 }
        var expected: [String: [String]] = [:], seen: [String: [String]] = [:]
        for index in 0..<600 {
            let group = "g\(random.next() % 40)"
            try await publish(store, group, "\(index)")
            expected[group, default: []].append("\(index)")
        }
        var running: [Delivery] = []
        while true {
            running += try await store.lease(Int(random.next() % 5) + 1)
            #expect(Set(running.map(\.job.group)).count == running.count, "one of each group")
            if running.isEmpty { break }
            let delivery = running.remove(at: Int(random.next() % UInt64(running.count)))
            switch random.next() % 4 {
            case 0: try await store.run(.release(delivery.token, delay: nil, counted: false))
            default:
                seen[delivery.job.group ?? "", default: []].append(delivery.text)
                try await complete(store, delivery)
            }
            if random.next() % 200 == 0 { store = try await store.killed() }
        }
        #expect(seen == expected)
    }
}
