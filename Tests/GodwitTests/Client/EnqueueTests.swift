import Foundation
import GodwitCore
import GodwitTesting
import Testing

@testable import Godwit

@Suite("Enqueueing", .timeLimit(.minutes(1)))
struct EnqueueTests {
    @Test("the job type's policy goes with the job, and a call can say otherwise")
    func policy() async throws {
        let jobs = try await TestJobs()
        let status = try await jobs.client.enqueue(Careful()).status
        #expect(status.queue == "careful")
        #expect(status.name == "careful")
        #expect(status.state == .scheduled)
        #expect(status.maxAttempts == 3)
        #expect(status.priority == 7)
        #expect(status.attempt == 0)
        #expect(status.createdAt == jobs.now)
        #expect(status.runAt == jobs.now + 60)
        let other = try await jobs.client.enqueue(Careful(), delay: .zero, priority: 1).status
        #expect(other.state == .queued)
        #expect(other.priority == 1)
        let at = jobs.now + 3_600
        #expect(try await jobs.client.enqueue(Careful(), at: at).status.runAt == at)
        await jobs.close()
    }

    @Test("what follows stands 8 deep inside each other, and deeper is refused where it is said, before it travels with others")
    func depth() async throws {
        try await withMemory { client in
            var followUp = FollowUp.cancel(JobID("x"))
            for _ in 0..<7 { followUp = try .enqueue(Note(text: "next"), onFinal: [followUp]) }
            try await client.enqueue(Note(text: "first"), onFinal: [followUp])
            let deeper = try FollowUp.enqueue(Note(text: "next"), onFinal: [followUp])
            let step = try client.batch("b", of: 1, then: [followUp]).step("1")
            for inner in [deeper, step] {
                let error = #expect(throws: BrokerError.self) { try FollowUp.enqueue(Note(text: "next"), onFinal: [inner]) }
                #expect(error?.code == .invalidArgument && error?.field == "on_final")
            }
        }
    }

    @Test("a time that no calendar has is refused, in what follows, too")
    func wildTimes() async throws {
        try await withMemory { client in
            for seconds in [-Double.infinity, .nan, .infinity, -1e15] {
                let followUp = try FollowUp.enqueue(Note(text: "next"), at: Date(timeIntervalSince1970: seconds))
                for wild in try [[followUp], [client.batch("b", of: 1, then: [followUp]).step("1")]] {
                    let error = await #expect(throws: BrokerError.self) {
                        try await client.enqueue(Note(text: "first"), onFinal: wild)
                    }
                    #expect(error?.code == .invalidArgument)
                }
            }
        }
    }

    @Test("what is stored is the job's plain JSON, so that any language can run it")
    func plainJSON() async throws {
        try await withMemory { client in
            let job = try await client.enqueue(Dated(at: Date(timeIntervalSince1970: 0), blob: Data([255])))
            let payload = try await client.broker.payload(of: job.id)
            #expect(payload.type == "application/json")
            #expect(payload.bytes.text == #"{"at":"1970-01-01T00:00:00.000Z","blob":"/w=="}"#)
        }
    }

    @Test("what cannot be is refused with the argument's name")
    func refused() async throws {
        try await withMemory { client in
            func field(_ body: @Sendable () async throws -> Void) async -> String? {
                let error = await #expect(throws: BrokerError.self) { try await body() }
                #expect(error?.code == .invalidArgument)
                return error?.field
            }
            #expect(await field { try await client.enqueue(Greet(who: ""), delay: .seconds(1), at: Date()) } == "at")
            #expect(await field { try await client.enqueue(Greet(who: ""), delay: .seconds(-1)) } == "delay")
            #expect(await field { try await client.enqueue(Greet(who: ""), priority: 256) } == "priority")
        }
    }

    @Test("a key makes one job of many requests; the same key for something else is refused")
    func keys() async throws {
        try await withMemory { client in
            let first = try await client.enqueue(Greet(who: "you"), key: "k")
            #expect(try await client.enqueue(Greet(who: "you"), key: "k").id == first.id)
            #expect(try await client.enqueue(Greet(who: "you")).id != first.id)
            let error = await #expect(throws: BrokerError.self) { try await client.enqueue(Greet(who: "me"), key: "k") }
            #expect(error?.code == .keyConflict)
        }
    }

    @Test("a full queue is busy at once, and says when to come back")
    func busy() async throws {
        try await withMemory { client in
            try await client.configure(queue: "default") { $0.maxJobs = 1 }
            try await client.enqueue(Greet(who: "you"))
            let error = await #expect(throws: BrokerError.self) { try await client.enqueue(Greet(who: "me")) }
            #expect(error?.code == .busy)
            #expect((error?.retryAfter ?? .zero) > .zero)
        }
    }

    @Test("who may wait is admitted when there is room, no earlier than the broker said")
    func waits() async throws {
        let jobs = try await TestJobs()
        try await jobs.client.configure(queue: "default") { $0.maxJobs = 1 }
        let first = try await jobs.client.enqueue(Greet(who: "you"))
        let least = try #require(await #expect(throws: BrokerError.self) { try await jobs.client.enqueue(Greet(who: "me")) }?.retryAfter)
        let start = jobs.now
        let waiting = Task { try await jobs.client.enqueue(Greet(who: "me"), waitingUpTo: .seconds(3_600)) }
        try await eventually { try await jobs.client.queue("default")?.totals.refused == 2 }
        try await first.cancel()
        let admitted = Guarded(false)
        let watching = Task {
            let job = try await waiting.value
            admitted.withLock { $0 = true }
            return job
        }
        try await eventually {
            // It has not come back before its time.
            if admitted.withLock({ $0 }) { return true }
            try await jobs.advance(by: .milliseconds(100))
            return false
        }
        #expect(jobs.now.timeIntervalSince(start) >= least.inSeconds)
        #expect(try await watching.value.status.state == .queued)
        await jobs.close()
    }

    @Test("patience ends with the refusal, and the waits never exceed it")
    func givesUp() async throws {
        let clock = RecordingClock()
        let broker = FaultyBroker(
            base: try await TestJobs().client.broker,
            fault: { _ throws(BrokerError) in [0: .busy(retryAfter: .seconds(2))] }
        )
        let client = JobClient(broker: broker, clock: clock, logger: quiet)
        let error = await #expect(throws: BrokerError.self) { try await client.enqueue(Greet(who: "me"), waitingUpTo: .seconds(7)) }
        #expect(error?.code == .busy)
        #expect((2...3).contains(clock.sleeps.count))
        #expect(clock.uptime <= .seconds(7))
        // What is left is less than the broker's least wait: it does not wait for nothing.
        #expect(clock.uptime >= .seconds(5))
    }

    @Test("cancelling the task ends the wait")
    func cancelledWait() async throws {
        try await withMemory { client in
            try await client.configure(queue: "default") { $0.maxJobs = 1 }
            try await client.enqueue(Greet(who: "you"))
            let waiting = Task { try await client.enqueue(Greet(who: "me"), waitingUpTo: .seconds(3_600)) }
            try await eventually { try await client.queue("default")?.totals.refused == 1 }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
    }

    @Test("waits grow, are random, and have the broker's as the least one")
    func backoff() async throws {
        let clock = RecordingClock()
        let base = try await TestJobs().client.broker
        let refusals = Guarded(0)
        let broker = FaultyBroker(
            base: base,
            fault: { _ throws(BrokerError) in
                let count = refusals.withLock { count in
                    count += 1
                    return count
                }
                return count <= 12 ? [0: .busy(retryAfter: .seconds(2))] : [:]
            }
        )
        let client = JobClient(broker: broker, clock: clock, logger: quiet)
        try await client.enqueue(Greet(who: "you"), waitingUpTo: .seconds(600))
        let sleeps = clock.sleeps
        #expect(sleeps.count == 12)
        #expect(sleeps.allSatisfy { $0 >= .seconds(2) && $0 <= .seconds(12) })
        #expect(sleeps[0] <= .milliseconds(2_100))
        #expect(Set(sleeps).count > 6)
        #expect((sleeps.max() ?? .zero) > .seconds(3))
    }
}

/// Sleeps take no time, and are written down.
private final class RecordingClock: JobClock {
    private let state = Guarded<[Duration]>([])
    var sleeps: [Duration] { state.withLock { $0 } }
    var now: Timestamp { Timestamp(milliseconds: 0) }
    var uptime: Duration { state.withLock { $0.reduce(.zero, +) } }
    func sleep(for duration: Duration) async throws { state.withLock { $0.append(duration) } }
}
