import Foundation
import GodwitCore
import GodwitTesting
import Synchronization
import Testing

@testable import Godwit

@Suite("Schedules", .timeLimit(.minutes(2)))
struct SchedulerTests {
    struct Tick: Job, Equatable {
        static let name = "tick"
        static let queue = "ticks"
        var due: Date
    }

    private func worker(_ client: JobClient, _ schedule: Schedule) -> Worker {
        var worker = Worker(client, concurrency: 1, queues: ["default"])
        worker.handle(Greet.self) { job, _ in job.who }
        worker.schedule("ticks", schedule) { due in Tick(due: due) }
        return worker
    }

    private func times(_ jobs: TestJobs) async throws -> [String] {
        try await jobs.enqueued(Tick.self).map { Timestamp($0.due).description }
    }

    @Test("a schedule fires at its due times, and nothing for the time before it was first seen")
    func fires() async throws {
        let jobs = try await TestJobs(startingAt: Date(timeIntervalSince1970: 1_767_225_690))
        let worker = worker(jobs.client, .every(.seconds(60)))
        try await jobs.runDue(worker)
        #expect(try await times(jobs).isEmpty)
        try await jobs.advance(by: .seconds(150), running: worker)
        #expect(
            try await times(jobs) == ["2026-01-01T00:02:00.000Z", "2026-01-01T00:03:00.000Z", "2026-01-01T00:04:00.000Z"]
        )
        await jobs.close()
    }

    @Test("a crontab schedule fires by the clocks of its zone")
    func cron() async throws {
        let jobs = try await TestJobs(startingAt: Date(timeIntervalSince1970: 1_774_656_000))  // 2026-03-28T00:00:00Z
        let worker = worker(jobs.client, .cron("30 2 * * *", in: "Europe/Berlin"))
        try await jobs.advance(by: .seconds(3 * 86_400), running: worker)
        #expect(
            try await times(jobs) == ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
        )
        await jobs.close()
    }

    @Test("a month of time passes in no time")
    func month() async throws {
        let jobs = try await TestJobs()
        let worker = worker(jobs.client, .cron("@daily", in: "America/New_York"))
        try await jobs.advance(by: .seconds(30 * 86_400), running: worker)
        #expect(try await times(jobs).count == 30)
        await jobs.close()
    }

    @Test("many workers fire a due time once")
    func once() async throws {
        let jobs = try await TestJobs()
        let workers = (0..<3).map { _ in worker(jobs.client, .every(.seconds(60))) }
        for worker in workers { try await jobs.runDue(worker) }
        for _ in 0..<5 {
            try await jobs.advance(by: .seconds(60))
            for worker in workers { try await jobs.runDue(worker) }
        }
        #expect(try await times(jobs).count == 5)
        await jobs.close()
    }

    @Test("many workers that race for a due time fire it once")
    func race() async throws {
        let jobs = try await TestJobs()
        let schedules = try CheckedSchedule.all(worker(jobs.client, .every(.seconds(60))).schedules)
        var schedulers = (0..<8).map { _ in Scheduler(schedules, client: jobs.client, logger: quiet) }
        for index in schedulers.indices { _ = try await schedulers[index].fireDue() }
        for _ in 0..<10 {
            try await jobs.advance(by: .seconds(60))
            schedulers = try await withThrowingTaskGroup(of: Scheduler.self) { group in
                for scheduler in schedulers {
                    group.addTask {
                        var scheduler = scheduler
                        _ = try await scheduler.fireDue()
                        return scheduler
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        let due = try await times(jobs)
        #expect(due.count == 10)
        #expect(Set(due).count == 10)
        await jobs.close()
    }

    @Test("after a time without workers the latest missed due time alone is caught up with")
    func catchesUp() async throws {
        let jobs = try await TestJobs()
        let worker = worker(jobs.client, .cron("*/5 * * * *"))
        try await jobs.runDue(worker)
        try await jobs.advance(by: .seconds(3_600 + 240))
        try await jobs.runDue(worker)
        #expect(try await times(jobs) == ["2026-01-01T01:00:00.000Z"])
        try await jobs.advance(by: .seconds(60), running: worker)
        #expect(try await times(jobs) == ["2026-01-01T01:00:00.000Z", "2026-01-01T01:05:00.000Z"])
        await jobs.close()
    }

    @Test("a due time whose queue is full is fired when there is room")
    func full() async throws {
        let jobs = try await TestJobs()
        try await jobs.client.configure(queue: "ticks") { $0.maxJobs = 1 }
        let blocking = try await jobs.client.enqueue(Tick(due: jobs.now))
        let worker = worker(jobs.client, .every(.seconds(3_600)))
        try await jobs.runDue(worker)
        try await jobs.advance(by: .seconds(3_600), running: worker)
        #expect(try await times(jobs) == ["2026-01-01T00:00:00.000Z"])
        try await blocking.cancel()
        try await jobs.advance(by: .seconds(120), running: worker)
        #expect(try await times(jobs) == ["2026-01-01T01:00:00.000Z"])
        await jobs.close()
    }

    @Test("a full disk keeps a schedule waiting, ever longer, but ends no worker")
    func fullDisk() async throws {
        let jobs = try await TestJobs()
        let commits = Guarded<[Timestamp]>([])
        let clock = jobs.client.clock
        let isFull = Guarded(true)
        let broker = FaultyBroker(
            base: jobs.client.broker,
            fault: { _ throws(BrokerError) in
                commits.withLock { $0.append(clock.now) }
                return isFull.withLock { $0 } ? [0: BrokerError(.diskFull, "no room", retryAfter: .seconds(3))] : [:]
            }
        )
        let client = JobClient(broker: broker, clock: clock, logger: quiet)
        let schedules = try CheckedSchedule.all(worker(client, .every(.seconds(60))).schedules)
        var scheduler = Scheduler(schedules, client: client, logger: quiet)
        for _ in 0..<600 {
            _ = try await scheduler.fireDue()
            try await jobs.advance(by: .seconds(1))
        }
        let tries = commits.withLock { $0 }
        let waits = zip(tries.dropFirst(), tries).map { $0 - $1 }
        #expect(waits.allSatisfy { $0 >= .seconds(3) })
        #expect(tries.count < 60)
        #expect((waits.max() ?? .zero) > .seconds(10))
        isFull.withLock { $0 = false }
        for _ in 0..<180 {
            _ = try await scheduler.fireDue()
            try await jobs.advance(by: .seconds(1))
        }
        #expect(try await !times(jobs).isEmpty)
        await jobs.close()
    }

    @Test("a firing whose answer was lost is not repeated")
    func lostAnswer() async throws {
        let jobs = try await TestJobs()
        let broker = FaultyBroker(
            base: jobs.client.broker,
            afterCommit: { transactions throws(BrokerError) in
                if transactions[0].operations.count == 2 { throw BrokerError(.outcomeUnknown, "the connection broke") }
                return [:]
            }
        )
        let client = JobClient(broker: broker, clock: jobs.client.clock, logger: quiet)
        let schedules = try CheckedSchedule.all(worker(client, .every(.seconds(60))).schedules)
        var scheduler = Scheduler(schedules, client: client, logger: quiet)
        _ = try await scheduler.fireDue()
        try await jobs.advance(by: .seconds(60))
        await #expect(throws: BrokerError.self) { _ = try await scheduler.fireDue() }
        _ = try await scheduler.fireDue()
        #expect(try await times(jobs) == ["2026-01-01T00:01:00.000Z"])
        await jobs.close()
    }

    @Test("a worker whose clock is ahead fires nothing early: the store holds the job until it is due there", arguments: [0, 30])
    func clockAhead(_ delay: Int) async throws {
        struct Delayed: Job {
            static let name = "delayed"
            static let queue = "ticks"
            static let delay: Duration = .seconds(30)
        }
        let jobs = try await TestJobs()
        let client = JobClient(
            broker: jobs.client.broker,
            clock: OtherClock(base: jobs.client.clock, ahead: .seconds(45)),
            logger: quiet
        )
        var worker = Worker(client, concurrency: 1)
        if delay > 0 {
            worker.schedule("ticks", .every(.seconds(60))) { _ in Delayed() }
        } else {
            worker.schedule("ticks", .every(.seconds(60))) { due in Tick(due: due) }
        }
        var scheduler = Scheduler(try CheckedSchedule.all(worker.schedules), client: client, logger: quiet)
        _ = try await scheduler.fireDue()
        try await jobs.advance(by: .seconds(16))
        _ = try await scheduler.fireDue()
        // It is 00:01:01 there, and 00:00:16 here.
        #expect(try await jobs.client.queue("ticks")?.counts.scheduled == 1)
        try await jobs.advance(by: .seconds(43 + delay))
        #expect(try await jobs.client.queue("ticks")?.counts.scheduled == 1)
        try await jobs.advance(by: .seconds(3))
        #expect(try await jobs.client.queue("ticks")?.counts.queued == 1)
        await jobs.close()
    }

    @Test("however long the store was away, it is looked at again within half a minute")
    func outage() async throws {
        let jobs = try await TestJobs()
        let broker = FaultyBroker(
            base: jobs.client.broker,
            fault: { _ throws(BrokerError) in throw BrokerError(.unavailable, "it is away") }
        )
        let sleeps = Guarded<[Duration]>([])
        let clock = OtherClock(base: jobs.client.clock) { wait in sleeps.withLock { $0.append(wait) } }
        let client = JobClient(broker: broker, clock: clock, logger: quiet, random: { .max })
        let scheduler = Scheduler(try CheckedSchedule.all(worker(client, .every(.seconds(60))).schedules), client: client, logger: quiet)
        let run = Task { try await scheduler.run() }
        await sleeps.wait { $0.count >= 30 }
        run.cancel()
        try await run.value
        let waits = sleeps.withLock { $0 }
        #expect(waits.allSatisfy { $0 <= .seconds(30) })
        #expect(waits.last == .seconds(30))
        await jobs.close()
    }

    @Test("a last due time that a wrong clock put far ahead silences no schedule")
    func clockWasAhead() async throws {
        let jobs = try await TestJobs()
        let record = RecordKey("schedule:ticks", home: .queue(try QueueName(Tick.queue)))
        let ahead = Bytes(#"{"last":"2038-01-19T03:14:07.000Z"}"#)
        _ = try await jobs.client.broker.commit(Transaction(.put(record, value: ahead, expecting: .absent, lifetime: nil)))
        let worker = worker(jobs.client, .every(.seconds(60)))
        try await jobs.advance(by: .seconds(120), running: worker)
        #expect(try await times(jobs) == ["2026-01-01T00:01:00.000Z", "2026-01-01T00:02:00.000Z"])
        await jobs.close()
    }

    @Test("a schedule that was changed says in its record when it is due next, at once, and has been due as it was")
    func changed() async throws {
        let jobs = try await TestJobs()
        let record = RecordKey("schedule:ticks", home: .queue(try QueueName(Tick.queue)))
        func said() async throws -> String? { try await jobs.client.broker.read([record]).first??.value.text }
        try await jobs.runDue(worker(jobs.client, .every(.seconds(60))))
        #expect(try await said() == #"{"last":"2026-01-01T00:00:00.000Z","next":"2026-01-01T00:01:00.000Z"}"#)
        try await jobs.runDue(worker(jobs.client, .every(.seconds(86_400))))
        #expect(try await said() == #"{"last":"2026-01-01T00:00:00.000Z","next":"2026-01-02T00:00:00.000Z"}"#)
        try await jobs.advance(by: .seconds(600), running: worker(jobs.client, .every(.seconds(86_400))))
        #expect(try await times(jobs).isEmpty)
        // One that is as it was writes nothing.
        let version = try #require(try await jobs.client.broker.read([record]).first ?? nil).version
        try await jobs.runDue(worker(jobs.client, .every(.seconds(86_400))))
        #expect(try await jobs.client.broker.read([record]).first??.version == version)
        await jobs.close()
    }

    @Test("a schedule whose record is forgotten begins anew, and fires nothing that was due before")
    func forgotten() async throws {
        let jobs = try await TestJobs()
        let schedules = try CheckedSchedule.all(worker(jobs.client, .every(.seconds(60))).schedules)
        var scheduler = Scheduler(schedules, client: jobs.client, logger: quiet)
        _ = try await scheduler.fireDue()
        try await jobs.advance(by: .seconds(90))
        let record = RecordKey("schedule:ticks", home: .queue(try QueueName(Tick.queue)))
        _ = try await jobs.client.broker.commit(.delete(record, expecting: .anything))
        _ = try await scheduler.fireDue()
        #expect(try await times(jobs).isEmpty)
        try await jobs.advance(by: .seconds(60))
        _ = try await scheduler.fireDue()
        #expect(try await times(jobs) == ["2026-01-01T00:02:00.000Z"])
        await jobs.close()
    }

    @Test("a worker can have schedules alone")
    func schedulesAlone() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.schedule("ticks", .every(.seconds(1))) { due in Tick(due: due) }
            try await running(worker) {
                try await eventually { try await client.queue("ticks")?.counts.queued ?? 0 > 0 }
            }
        }
    }

    @Test("a running worker fires by the real clock")
    func runs() async throws {
        try await withMemory { client in
            let ticks = Guarded<[Date]>([])
            var worker = Worker(client, concurrency: 1)
            worker.handle(Tick.self) { tick, _ in ticks.withLock { $0.append(tick.due) } }
            worker.schedule("ticks", .every(.seconds(1))) { due in Tick(due: due) }
            try await running(worker) { await ticks.wait { $0.count >= 2 } }
            let due = ticks.withLock { $0 }
            #expect(due[1].timeIntervalSince(due[0]) >= 1)
            #expect(Set(due).count == due.count)
        }
    }
}

/// A clock that shows another time, or does not sleep.
private struct OtherClock: JobClock {
    let base: any JobClock
    var ahead = Duration.zero
    var onSleep: (@Sendable (Duration) -> Void)?

    init(base: any JobClock, ahead: Duration = .zero, onSleep: (@Sendable (Duration) -> Void)? = nil) {
        self.base = base
        self.ahead = ahead
        self.onSleep = onSleep
    }

    var now: Timestamp { base.now + ahead }
    var uptime: Duration { base.uptime }

    func sleep(for duration: Duration) async throws {
        guard let onSleep else { return try await base.sleep(for: duration) }
        onSleep(duration)
        await Task.yield()
    }
}
