import GodwitCore
import Testing

@testable import GodwitEngine

@Suite("Queues, retention and purging", .timeLimit(.minutes(2)))
struct QueueTests {
    @Test("settings have versions and are kept")
    func settings() async throws {
        let store = try await Fixture()
        var settings = QueueSettings()
        settings.maxJobs = 7
        let first = try await store.engine.configure(.work, settings, expecting: .absent)
        #expect(first.settings == settings)
        _ = await expectError(.versionConflict) { _ = try await store.engine.configure(.work, settings, expecting: .absent) }
        settings.retention = .none
        let second = try await store.engine.configure(.work, settings, expecting: .version(first.settingsVersion))
        #expect(second.settingsVersion != first.settingsVersion)
        _ = await expectError(.versionConflict) {
            _ = try await store.engine.configure(.work, settings, expecting: .version(first.settingsVersion))
        }
        let again = try await store.crashed()
        #expect(try await again.status().settings == settings)
        #expect(try await again.status().settingsVersion == second.settingsVersion)
        settings.maxAttempts = 0
        #expect(
            await expectError(.invalidArgument) { _ = try await store.engine.configure(.work, settings, expecting: .anything) }?.field
                == "max_attempts"
        )
    }

    @Test("a queue can be paused from the moment in which it is made")
    func startsPaused() async throws {
        var store = try await Fixture()
        #expect(try await store.engine.configure(.work, QueueSettings(), expecting: .absent, startsPaused: true).isPaused)
        try await store.publish()
        #expect(try await store.lease().isEmpty)
        store = try await store.crashed()
        #expect(try await store.status().isPaused)
        // Of one that is there only the settings change.
        try await store.engine.resume(.work)
        #expect(try await !store.engine.configure(.work, QueueSettings(), expecting: .anything, startsPaused: true).isPaused)
    }

    @Test("queues are listed by name")
    func list() async throws {
        let store = try await Fixture()
        for name in ["b", "a", "c"] { try await store.publish(.name(name)) }
        #expect(try await store.engine.queues().map(\.name.description) == ["a", "b", "c"])
        #expect(try await store.engine.queue(.work) == nil)
        let status = try await store.status(.name("a"))
        #expect(status.oldestQueued == Fixture.start && status.totals.published == 1)
    }

    @Test("what is unknown is said so")
    func unknown() async throws {
        let store = try await Fixture()
        _ = await expectError(.queueNotFound) { try await store.engine.pause(.work) }
        _ = await expectError(.queueNotFound) { try await store.engine.resume(.work) }
        _ = await expectError(.queueNotFound) { _ = try await store.engine.purge(.work) }
        _ = await expectError(.queueNotFound) { try await store.engine.delete(.work, purging: true) }
    }

    @Test("succeeded and failed jobs are kept for their own times; an id is forgotten after that")
    func retentionTimes() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .keep(succeeded: .seconds(10), failed: .seconds(60), count: 100) }
        let succeeded = try await store.publish()
        try await store.run(.complete(try await store.leaseOne().token, result: Content("1")))
        let failed = try await store.publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        let cancelled = try await store.publish()
        try await store.run(.cancel(cancelled))
        await store.clock.advance(by: .seconds(9))
        #expect(try await store.engine.read([succeeded, failed, cancelled]).allSatisfy { $0.snapshot != nil })
        await store.clock.advance(by: .seconds(1))
        for fixture in [store, try await store.killed()] {
            #expect(try await fixture.engine.read([succeeded, cancelled]) == [.forgotten, .forgotten])
            #expect(try await fixture.job(failed).state == .failed)
            #expect(try await fixture.status().counts.succeeded == 0)
        }
        await store.clock.advance(by: .seconds(50))
        #expect(try await store.engine.read([failed]) == [.forgotten])
    }

    @Test("no more finished jobs are kept than the queue's count, the oldest go first")
    func retentionCount() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .keep(succeeded: .seconds(1_000), failed: .seconds(1_000), count: 3) }
        var ids: [JobID] = []
        for index in 0..<6 {
            ids.append(try await store.publish())
            let token = try await store.leaseOne().token
            try await store.run(index % 2 == 0 ? .complete(token, result: nil) : .fail(token, Failure(message: "no"), retry: .never))
            await store.clock.advance(by: .milliseconds(10))
        }
        let kept = try await store.engine.read(ids).map { $0.snapshot != nil }
        #expect(kept == [false, false, false, true, true, true])
        #expect(try await store.killed().engine.read(ids).map { $0.snapshot != nil } == kept)
        try await store.configure { $0.retention = .keep(succeeded: .seconds(1_000), failed: .seconds(1_000), count: 1) }
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.engine.read(ids).map { $0.snapshot != nil } == [false, false, false, false, false, true])
    }

    @Test("with no retention nothing is left of a job that ended")
    func noRetention() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .none }
        let done = try await store.publish()
        try await store.run(.complete(try await store.leaseOne().token, result: Content("1")))
        let cancelled = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .queue, wait: .zero).first)
        try await store.run(.cancel(cancelled))
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.cancelRequested])
        #expect(try await store.engine.read([done, cancelled]) == [.forgotten, .forgotten])
        let counts = try await store.status().counts
        #expect(counts == QueueStatus.Counts())
        #expect(try await store.status().bytes == 0)
        _ = await expectError(.jobForgotten) { try await store.run(.retry(done)) }
    }

    @Test("purging ends all that wait, at once in all that is shown; what runs goes on and may be released and retried")
    func purge() async throws {
        let store = try await Fixture()
        let running = try await store.publish(.work, "running")
        let delivery = try await store.leaseOne()
        var waiting: [JobID] = []
        for _ in 0..<20 { waiting.append(try await store.publish()) }
        waiting.append(try await store.publish { $0.start = .after(.seconds(30)) })
        waiting.append(try await store.publish { $0.start = .at(Fixture.start + .seconds(30)) })
        waiting.append(try await store.publish { $0.priority = 9 })
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .after(.seconds(30))))
        let other = try await store.publish(.other)
        let engine = store.engine, first = waiting[0], version = try await store.job(waiting[0]).version
        let watch = Task { try await engine.watch([.job(first, known: version)], wait: .seconds(3_600)) }

        #expect(try await store.engine.purge(.work) == 23)
        guard case .job(.found(let seen)) = try await watch.value[0] else { return fail("no change") }
        #expect(seen.state == .cancelled)
        for fixture in [store, try await store.crashed()] {
            for id in waiting {
                let job = try await fixture.job(id)
                #expect(job.state == .cancelled && job.errors.last?.code == FailureCode.purged)
            }
            let status = try await fixture.status()
            #expect(status.counts.cancelled == 23 && status.counts.unfinished == 1 && status.oldestQueued == nil)
            #expect(status.bytes == "running".utf8.count + Content.json.utf8.count)
            #expect(try await fixture.job(running).state == .running)
            #expect(try await fixture.lease().isEmpty)
            #expect(try await fixture.job(other).state == .queued)
        }
        await store.clock.advance(by: .seconds(25))
        try await store.run(.release(delivery.token, delay: nil, counted: false))
        #expect(try await store.lease(5).map(\.text) == ["running"])
        try await store.run(.retry(waiting[3]))
        #expect(try await store.leaseOne().job.id == waiting[3])
        #expect(try await store.status().counts.cancelled == 22)
        #expect(try await store.engine.purge(.work) == 0)
    }

    @Test("jobs that a purge ended go when their queue keeps none since, also when they are met only after a restart")
    func purgedThenKeptNoMore() async throws {
        let store = try await Fixture()
        let ids = [try await store.publish(), try await store.publish()]
        #expect(try await store.engine.purge(.work) == 2)
        try await store.configure { $0.retention = .none }
        let again = try await store.killed()
        await store.engine.close()
        await again.clock.advance(by: .seconds(2))
        #expect(try await again.engine.read(ids) == [.forgotten, .forgotten])
        #expect(try await again.status().counts == QueueStatus.Counts())
        await again.engine.close()
    }

    @Test("a purge of very many jobs is cleaned up in turns, and a second one meets what was published between")
    func bigPurge() async throws {
        let store = try await Fixture()
        let message = NewMessage(queue: .work, payload: Content("1"))
        var ids: [JobID] = []
        for round in 0..<2 {
            for _ in 0..<6 {
                let outcome = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 1_000))])
                ids += try outcome[0].get().compactMap(\.jobID)
            }
            #expect(try await store.engine.purge(.work) == 6_000)
            #expect(try await store.status().counts.cancelled == 6_000 * (round + 1))
            #expect(try await store.status().bytes == 0)
        }
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.status().counts.cancelled == 12_000)
        for id in [ids[0], ids[5_999], ids[6_000], ids[11_999]] { #expect(try await store.job(id).state == .cancelled) }
        try await store.publish()
        #expect(try await store.lease(5).count == 1)
        await store.clock.advance(by: .seconds(86_400))
        #expect(try await store.status().counts.cancelled == 0)
    }

    @Test("a queue with unfinished jobs is deleted only with purging; its ids are forgotten then")
    func delete() async throws {
        let store = try await Fixture()
        let queued = try await store.publish { $0.deduplication = .init(key: "k") }
        let running = try await store.publish()
        let leases = try await store.lease(1)
        let error = await expectError(.queueNotEmpty) { try await store.engine.delete(.work, purging: false) }
        #expect(error != nil)
        try await store.engine.delete(.work, purging: true)
        for fixture in [store, try await store.killed()] {
            #expect(try await fixture.engine.queue(.work) == nil)
            #expect(try await fixture.engine.read([queued, running]) == [.forgotten, .forgotten])
            _ = await expectError(.staleLease) { try await fixture.run(.complete(leases[0].token, result: nil)) }
            #expect(try await fixture.engine.list(JobQuery()).jobs.isEmpty)
            // The name may be used again, for an empty queue.
            let fresh = try await fixture.publish { $0.deduplication = .init(key: "k") }
            #expect(fresh != queued)
            #expect(try await fixture.status().counts.unfinished == 1)
            await fixture.clock.advance(by: .seconds(40))
            #expect(try await fixture.leaseOne().job.id == fresh)
        }
    }

    @Test("who waits for a queue that is deleted is served when it is there again")
    func deleteWhileWaiting() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600)) }
        try await eventually("it waits") { try await store.engine.queue(.work) != nil }
        try await store.engine.delete(.work, purging: true)
        try await store.publish(.work, "again")
        #expect(try await wait.value.map(\.text) == ["again"])
    }
}
