import GodwitCore
import Testing

@testable import GodwitEngine

@Suite("Attempts, failures and retries", .timeLimit(.minutes(1)))
struct AttemptTests {
    @Test("a failed attempt with attempts left is retrying until its backoff ends, then queued")
    func backoff() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let failure = Failure(message: "no route", code: "IOError")
        #expect(try await store.run(.fail(try await store.leaseOne().token, failure, retry: .after(.seconds(10)))) == [.state(.retrying)])
        var job = try await store.job(id)
        #expect(job.state == .retrying && job.attempt == 1)
        #expect(job.runAt == Fixture.start + .seconds(10))
        #expect(job.errors == [AttemptFailure(message: "no route", code: "IOError", attempt: 1, at: Fixture.start)])
        #expect(try await store.lease().isEmpty)

        await store.clock.advance(by: .milliseconds(9_999))
        #expect(try await store.job(id).state == .retrying)
        await store.clock.advance(by: .milliseconds(1))
        job = try await store.job(id)
        #expect(job.state == .queued && job.runAt == nil)
        #expect(try await store.leaseOne().job.attempt == 2)
    }

    @Test("the engine's own backoff is at most 1 s x 2^(attempt - 1)", arguments: 1...4)
    func standardBackoff(attempt: Int) async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        for current in 1...attempt {
            let delivery = try await store.leaseOne()
            #expect(delivery.job.attempt == current)
            try await store.run(.fail(delivery.token, Failure(message: "no"), retry: .standard))
            let job = try await store.job(id)
            if let runAt = job.runAt {
                let wait = runAt - Timestamp(milliseconds: store.clock.now().wall)
                #expect(wait > .zero && wait <= .seconds(1 << (current - 1)))
                await store.clock.advance(by: wait)
            }
        }
    }

    @Test("a job whose last attempt failed is failed, with its errors")
    func lastAttempt() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.maxAttempts = 2 }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "one"), retry: .after(.zero)))
        #expect(try await store.job(id).state == .queued)
        #expect(
            try await store.run(.fail(try await store.leaseOne().token, Failure(message: "two"), retry: .standard)) == [.state(.failed)]
        )
        let job = try await store.job(id)
        #expect(job.state == .failed && job.finishedAt == Fixture.start)
        #expect(job.errors.map(\.message) == ["one", "two"])
        #expect(job.errors.map(\.attempt) == [1, 2])
        #expect(try await store.status().counts.failed == 1)
    }

    @Test("a worker may say that there is no use in trying again")
    func never() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        #expect(
            try await store.run(.fail(try await store.leaseOne().token, Failure(message: "bad input"), retry: .never)) == [.state(.failed)]
        )
        #expect(try await store.job(id).attempt == 1)
    }

    @Test("the attempts are what the publisher said, else the queue's setting, else 20")
    func maxAttempts() async throws {
        let store = try await Fixture()
        #expect(try await store.job(try await store.publish()).maxAttempts == 20)
        try await store.configure { $0.maxAttempts = 3 }
        #expect(try await store.job(try await store.publish()).maxAttempts == 3)
        #expect(try await store.job(try await store.publish { $0.maxAttempts = 7 }).maxAttempts == 7)
    }

    @Test("the errors of the last 10 attempts are kept")
    func lastErrors() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        for attempt in 1...12 {
            try await store.run(.fail(try await store.leaseOne().token, Failure(message: "\(attempt)"), retry: .after(.zero)))
        }
        #expect(try await store.job(id).errors.map(\.attempt) == Array(3...12))
        try await store.run(.cancel(id))
        let errors = try await store.job(id).errors
        #expect(errors.count == 10 && errors.last?.code == FailureCode.cancelled && errors.last?.attempt == 12)
    }

    @Test("long error texts are cut at a character's boundary")
    func longErrors() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let text = String(repeating: "é", count: 3_000)
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: text, code: text), retry: .never))
        let error = try #require(try await store.job(id).errors.first)
        #expect(error.message == String(repeating: "é", count: 2_048))
        #expect(error.code == String(repeating: "é", count: 50))
    }

    @Test("a counted release after the last attempt ends the job")
    func countedRelease() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.maxAttempts = 1 }
        #expect(try await store.run(.release(try await store.leaseOne().token, delay: nil, counted: true)) == [.state(.failed)])
        #expect(try await store.job(id).errors.first?.code == "released")
    }

    @Test("a job that goes back untouched is as if it had not been delivered: neither is that counted, nor does it stop to expire")
    func untouched() async throws {
        var store = try await Fixture()
        try await store.configure { $0.maxDeliveries = 1 }
        let id = try await store.publish {
            $0.expires = .seconds(10)
            $0.maxAttempts = 1
        }
        for _ in 0..<3 {
            let delivery = try await store.leaseOne()
            #expect(delivery.deliveries == 1 && delivery.job.attempt == 1)
            let release = GodwitCore.Operation.release(delivery.token, delay: nil, counted: false, to: .untouched)
            #expect(try await store.run(release) == [.state(.queued)])
            store = try await store.crashed()
        }
        let job = try await store.job(id)
        #expect(job.deliveries == 0 && job.attempt == 0 && job.startedAt == nil)
        // Its time comes while somebody holds it: it runs if that one begins with it, and else expires.
        let held = try await store.leaseOne(term: .fixed(.seconds(60)))
        await store.clock.advance(by: .seconds(11))
        #expect(try await store.job(id).state == .running)
        try await store.run(.release(held.token, delay: nil, counted: false, to: .untouched))
        await store.clock.advance(by: .milliseconds(1))
        #expect(try await store.job(id).state == .expired)
    }

    @Test("what goes back untouched goes to its place at once, and uncounted")
    func untouchedAlone() async throws {
        let store = try await Fixture()
        try await store.publish()
        let token = try await store.leaseOne().token
        let error = await expectError(.invalidArgument) { try await store.run(.release(token, delay: nil, counted: true, to: .untouched)) }
        #expect(error?.field == "counted")
        let late = await expectError(.invalidArgument) {
            try await store.run(.release(token, delay: .seconds(1), counted: false, to: .untouched))
        }
        #expect(late?.field == "delay")
    }

    @Test("a release with a delay waits for it and then stands at its old place")
    func delayedRelease() async throws {
        let store = try await Fixture()
        for text in ["a", "b"] { try await store.publish(.work, text) }
        #expect(
            try await store.run(.release(try await store.leaseOne().token, delay: .seconds(5), counted: false)) == [.state(.scheduled)]
        )
        #expect(try await store.status().counts.scheduled == 1)
        await store.clock.advance(by: .seconds(5))
        #expect(try await store.lease(2).map(\.text) == ["a", "b"])
    }

    @Test(
        "retry queues a failed, cancelled or expired job again under its id with one more attempt",
        arguments: [JobState.failed, .cancelled, .expired]
    )
    func retryFinal(state: JobState) async throws {
        let store = try await Fixture()
        let id = try await store.publish {
            $0.maxAttempts = 1
            if state == .expired { $0.expires = .seconds(1) }
        }
        switch state {
        case .failed: try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .standard))
        case .cancelled: try await store.run(.cancel(id))
        default: await store.clock.advance(by: .seconds(1))
        }
        let ended = try await store.job(id)
        #expect(ended.state == state && ended.finishedAt != nil)
        #expect(try await store.run(.retry(id)) == [.state(.queued)])
        let job = try await store.job(id)
        #expect(job.state == .queued && job.maxAttempts == 2 && job.finishedAt == nil && job.version != ended.version)
        await store.clock.advance(by: .seconds(60))
        let delivery = try await store.leaseOne()
        #expect(delivery.job.id == id)
        try await store.run(.complete(delivery.token, result: nil))
        #expect(try await store.job(id).state == .succeeded)
        let counts = try await store.status().counts
        #expect(counts.succeeded == 1 && counts[state] == 0 && counts.unfinished == 0)
    }

    @Test("retry lets a scheduled or retrying job run now")
    func retryWaiting() async throws {
        let store = try await Fixture()
        let scheduled = try await store.publish { $0.start = .after(.seconds(60)) }
        #expect(try await store.run(.retry(scheduled)) == [.state(.queued)])
        let delivery = try await store.leaseOne()
        #expect(delivery.job.id == scheduled && delivery.job.maxAttempts == 20)
        try await store.run(.fail(delivery.token, Failure(message: "no"), retry: .after(.seconds(60))))
        #expect(try await store.run(.retry(scheduled)) == [.state(.queued)])
        #expect(try await store.leaseOne().job.attempt == 2)
        // The times that it waited for mean nothing any more.
        await store.clock.advance(by: .seconds(20))
        #expect(try await store.status().counts.running == 1)
    }

    @Test("what cannot be retried is said so")
    func cannotRetry() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        _ = await expectError(.wrongState) { try await store.run(.retry(id)) }
        let delivery = try await store.leaseOne()
        _ = await expectError(.wrongState) { try await store.run(.retry(id)) }
        try await store.run(.complete(delivery.token, result: nil))
        _ = await expectError(.wrongState) { try await store.run(.retry(id)) }
    }
}
