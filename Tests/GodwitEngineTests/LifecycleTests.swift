import GodwitCore
import Testing

@testable import GodwitEngine

@Suite("A job from publishing to its end", .timeLimit(.minutes(1)))
struct LifecycleTests {
    @Test("a published job is delivered, completed, and its result can be read")
    func mainPath() async throws {
        let store = try await Fixture()
        let id = try await store.publish(.work, "{\"photo\":1}") {
            $0.name = "thumbnail"
            $0.headers = [Header(name: "traceparent", value: "00-1")]
            $0.timeout = .seconds(60)
        }
        #expect(try await store.job(id).state == .queued)
        #expect(try await store.job(id).attempt == 0)

        let delivery = try await store.leaseOne()
        #expect(delivery.job.id == id)
        #expect(delivery.job.state == .running)
        #expect(delivery.job.attempt == 1)
        #expect(delivery.job.name == "thumbnail")
        #expect(delivery.text == "{\"photo\":1}")
        #expect(delivery.headers == [Header(name: "traceparent", value: "00-1")])
        #expect(delivery.timeout == .seconds(60))
        #expect(delivery.remaining == .seconds(30))
        #expect(delivery.deliveries == 1)
        #expect(try await store.lease().isEmpty)

        let results = try await store.run(.complete(delivery.token, result: Content("\"url\"", type: "text/plain")))
        #expect(results == [.state(.succeeded)])
        let job = try await store.job(id)
        #expect(job.state == .succeeded)
        #expect(job.finishedAt == Fixture.start)
        #expect(try await store.engine.result(of: id) == Content("\"url\"", type: "text/plain"))
        #expect(try await store.engine.payload(of: id) == Content("{\"photo\":1}"))
        let counts = try await store.status().counts
        #expect(counts.succeeded == 1 && counts.unfinished == 0)
        await store.engine.close()
    }

    @Test("jobs of one priority are delivered in the order of their publication, higher priorities first")
    func order() async throws {
        let store = try await Fixture()
        for (text, priority) in [("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", 255)] {
            try await store.publish(.work, text) { $0.priority = priority }
        }
        #expect(try await store.lease(10).map(\.text) == ["e", "b", "d", "a", "c"])
    }

    @Test("a job that was released stands at its old place, one whose attempt failed at the back")
    func places() async throws {
        let store = try await Fixture()
        for text in ["a", "b", "c"] { try await store.publish(.work, text) }
        let leases = try await store.lease(2)
        try await store.run(.fail(leases[0].token, Failure(message: "no"), retry: .after(.zero)))
        try await store.run(.release(leases[1].token, delay: nil, counted: false))
        #expect(try await store.lease(10).map(\.text) == ["b", "c", "a"])
    }

    @Test("a release does not count as an attempt, unless it is said to")
    func releases() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        try await store.run(.release(try await store.leaseOne().token, delay: nil, counted: false))
        #expect(try await store.job(id).attempt == 0)
        let second = try await store.leaseOne()
        #expect(second.job.attempt == 1 && second.deliveries == 2)
        try await store.run(.release(second.token, delay: nil, counted: true))
        #expect(try await store.leaseOne().job.attempt == 2)
    }
}
