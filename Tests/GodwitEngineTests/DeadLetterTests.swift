import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Dead letters and the most deliveries", .timeLimit(.minutes(2)))
struct DeadLetterTests {
    static let dead = QueueName.name("dead")

    @Test("a job that is delivered as often as its queue allows is set aside, crashes counted")
    func maxDeliveries() async throws {
        var store = try await Fixture()
        try await store.configure { $0.maxDeliveries = 3 }
        let id = try await store.publish()
        _ = try await store.leaseOne(embedded: true)
        store = try await store.killed()
        try await store.run(.release(try await store.leaseOne().token, delay: nil, counted: false))
        #expect(try await store.job(id).state == .queued)
        _ = try await store.leaseOne(embedded: true)
        store = try await store.killed()
        for fixture in [store, try await store.killed()] {
            let job = try await fixture.job(id)
            #expect(job.state == .failed && job.reason == .maxDeliveries && job.deliveries == 3)
            #expect(job.errors.last?.code == FailureCode.leaseExpired)
            #expect(job.errors.last?.message.contains("max_deliveries") ?? false)
            #expect(try await fixture.lease().isEmpty)
            #expect(try await fixture.status().counts.failed == 1)
        }
        try await store.run(.retry(id))
        #expect(try await store.leaseOne().deliveries == 4)
    }

    @Test("a release, a closing holder and a failure with attempts left count against the most deliveries")
    func otherReturns() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxDeliveries = 1 }
        let released = try await store.publish()
        #expect(try await store.run(.release(try await store.leaseOne().token, delay: .seconds(1), counted: false)) == [.state(.failed)])
        #expect(try await store.job(released).errors.last?.code == FailureCode.released)
        let closed = try await store.publish()
        _ = try await store.leaseOne()
        try await store.holder().close()
        #expect(try await store.job(closed).reason == .maxDeliveries)
        let failed = try await store.publish()
        let failure = Failure(message: "no", code: "no")
        #expect(try await store.run(.fail(try await store.leaseOne().token, failure, retry: .standard)) == [.state(.failed)])
        #expect(try await store.job(failed).reason == .maxDeliveries)
        #expect(try await store.job(failed).errors.last?.code == "no")
    }

    @Test("what a job died of is told: its worker's will, its last attempt, its expiry")
    func reasons() async throws {
        let store = try await Fixture()
        let rejected = try await store.publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        let tried = try await store.publish { $0.maxAttempts = 1 }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .standard))
        let expired = try await store.publish { $0.expires = .seconds(1) }
        await store.clock.advance(by: .seconds(1))
        let retried = try await store.publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        try await store.run(.retry(retried))
        for fixture in [store, try await store.killed()] {
            #expect(try await fixture.job(rejected).reason == .rejected)
            #expect(try await fixture.job(tried).reason == .maxAttempts)
            #expect(try await fixture.job(expired).reason == .expired)
            #expect(try await fixture.job(retried).reason == nil)
        }
    }

    @Test("a dead letter goes to the queue's own choice with all that was published, and its history")
    func moved() async throws {
        let store = try await Fixture()
        try await store.configure { $0.deadLetterQueue = "dead" }
        try await store.configure(Self.dead) { $0.maxAttempts = 3 }
        let id = try await store.publish(.work, #"{"a": 1}"#) {
            $0.name = "mail"
            $0.headers = [Header(name: "x", value: "y")]
            $0.priority = 7
            $0.timeout = .seconds(9)
            $0.maxAttempts = 1
        }
        let token = try await store.leaseOne().token
        await store.clock.advance(by: .seconds(2))
        #expect(try await store.run(.fail(token, Failure(message: "broken"), retry: .standard)) == [.state(.failed)])
        for fixture in [store, try await store.killed(), try await store.crashed()] {
            let original = try await fixture.job(id)
            #expect(original.state == .failed && original.reason == .maxAttempts && original.deaths.isEmpty)
            #expect(try await fixture.status().counts.failed == 1)
            let letter = try await fixture.leaseOne(Self.dead)
            #expect(letter.text == #"{"a": 1}"# && letter.headers == [Header(name: "x", value: "y")] && letter.timeout == .seconds(9))
            #expect(letter.job.name == "mail" && letter.job.priority == 7 && letter.job.maxAttempts == 3 && letter.job.id != id)
            #expect(
                letter.job.deaths == [
                    Death(
                        queue: .work,
                        reason: .maxAttempts,
                        count: 1,
                        firstAt: Fixture.start + .seconds(2),
                        lastAt: Fixture.start + .seconds(2),
                        job: id,
                        attempt: 1,
                        deliveries: 1
                    )
                ]
            )
            #expect(await expectError(.wrongState) { try await fixture.run(.retry(id)) }?.message.contains("redrive") ?? false)
        }
        let totals = try await store.status().totals
        #expect(totals.deadLettered == 1 && totals.failed == 1 && totals.expired == 0)
    }

    @Test("the queue of dead letters is made when it is not there, and no bound keeps them out")
    func made() async throws {
        let store = try await Fixture { $0.createsQueues = false }
        try await store.configure { $0.deadLetterQueue = "dead" }
        for _ in 0..<3 {
            try await store.publish()
            try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
            try await store.configure(Self.dead) { $0.maxJobs = 1 }
        }
        #expect(try await store.status(Self.dead).counts.queued == 3)
        // One that is deleted comes again.
        try await store.engine.delete(Self.dead, purging: true)
        try await store.publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        #expect(try await store.killed().status(Self.dead).counts.queued == 1)
    }

    @Test("a worker sets a job aside for a reason, where it likes")
    func deadLetter() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let token = try await store.leaseOne().token
        let error = await expectError(.invalidArgument) { try await store.run(.deadLetter(token, Failure(message: "odd"), to: .work)) }
        #expect(error?.field == "to")
        #expect(try await store.run(.deadLetter(token, Failure(message: "odd"), to: Self.dead)) == [.state(.failed)])
        #expect(try await store.job(id).errors.last?.code == FailureCode.rejected)
        #expect(try await store.leaseOne(Self.dead).job.deaths.first?.reason == .rejected)
        // Without a place for it, it stays.
        let kept = try await store.publish()
        try await store.run(.deadLetter(try await store.leaseOne().token, Failure(message: "odd", code: "odd"), to: nil))
        #expect(try await store.job(kept).state == .failed)
        #expect(try await store.job(kept).errors.last?.code == "odd")
        try await store.run(.retry(kept))
    }

    @Test("what expires is dead-lettered as well, and nothing goes round in circles by itself")
    func expiry() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.ttl = .seconds(1)
            $0.deadLetterQueue = "dead"
        }
        try await store.configure(Self.dead) {
            $0.ttl = .seconds(1)
            $0.deadLetterQueue = "work"
        }
        let id = try await store.publish()
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.job(id).state == .expired)
        #expect(try await store.status(Self.dead).counts.queued == 1)
        await store.clock.advance(by: .seconds(10))
        // It comes back to the first queue once; there it dies for the second time of the same, and stays.
        for fixture in [store, try await store.killed()] {
            #expect(try await fixture.status(Self.dead).counts.expired == 1)
            #expect(try await fixture.status().counts.expired == 1)
            #expect(try await fixture.status().counts.unfinished == 0)
            #expect(try await fixture.status(Self.dead).counts.unfinished == 0)
        }
    }

    @Test("dead letters come in the order in which their leases were over, over a restart too", arguments: [false, true])
    func leaseOrder(isRestarted: Bool) async throws {
        var store = try await Fixture()
        try await store.configure {
            $0.deadLetterQueue = "dead"
            $0.maxAttempts = 1
        }
        for text in ["1", "2", "3", "4"] { try await store.publish(.work, text) }
        // Places in the table of leases are used again, the latest one first.
        let first = try await store.lease(4)
        for delivery in first { try await store.run(.release(delivery.token, delay: nil, counted: false)) }
        let again = try await store.lease(4)
        #expect(again.map(\.text) == ["1", "2", "3", "4"])
        await store.clock.advance(by: .seconds(1))
        _ = try await store.holder().renew([Renewal(again[1].token)])
        if isRestarted { store = try await store.killed() }
        await store.clock.advance(by: .seconds(40))
        let letters = try await store.lease(10, Self.dead)
        // After a restart all have their full time again.
        #expect(letters.map(\.text) == (isRestarted ? ["1", "2", "3", "4"] : ["1", "3", "4", "2"]))
    }

    @Test("a history counts what happens again, newest first, and has an end")
    func history() throws {
        func death(_ queue: String, _ at: Int64) -> StoredDeath {
            StoredDeath(
                queue: .name(queue),
                reason: .maxAttempts,
                count: 1,
                first: at,
                last: at,
                sequence: 1,
                attempt: 1,
                deliveries: 1
            )
        }
        let history = [StoredDeath]().adding(death("a", 1)).adding(death("b", 2)).adding(death("a", 3))
        #expect(history.map(\.queue) == [.name("a"), .name("b")])
        #expect(history[0].count == 2 && history[0].first == 1 && history[0].last == 3)
        var long: [StoredDeath] = []
        for index in 0..<40 { long = long.adding(death("q\(index)", Int64(index))) }
        #expect(long.count == Limits.deaths && long[0].queue == .name("q39"))
    }

    @Test("a queue that keeps nothing still gives its dead letters away")
    func withoutRetention() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.retention = .none
            $0.deadLetterQueue = "dead"
        }
        let id = try await store.publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        #expect(try await store.engine.read([id]) == [.forgotten])
        #expect(try await store.status().totals.deadLettered == 1)
        #expect(try await store.killed().leaseOne(Self.dead).job.deaths.first?.job == id)
    }
}
