import Dispatch
import Foundation
import Testing

@testable import Godwit

@Suite("A thread of its own", .timeLimit(.minutes(1)))
struct ThreadExecutorTests {
    @Test("tasks run on it, and come back to it after they waited elsewhere")
    func runsThere() async throws {
        let executor = try ThreadExecutor(named: "test-thread")
        let threads = await Task(executorPreference: executor) {
            var threads = [currentThread()]
            await Task.detached { try? await Task.sleep(for: .milliseconds(1)) }.value
            threads.append(currentThread())
            await executor.sleep(until: .now + .milliseconds(1))
            threads.append(currentThread())
            return threads
        }.value
        executor.stop()
        #expect(Set(threads).count == 1)
    }

    @Test("sleeping goes on while every thread of the cooperative pool is blocked")
    func sleepsWhileBlocked() async throws {
        let executor = try ThreadExecutor(named: "test-thread")
        let ticks = Guarded(0)
        let ticking = Task(executorPreference: executor) {
            for _ in 0..<10 {
                await executor.sleep(until: .now + .milliseconds(5))
                ticks.withLock { $0 += 1 }
            }
        }
        // Twice as many blocked tasks as the pool has threads: each gives up by itself, so that a failure cannot hang.
        let blocked = (0..<2 * ProcessInfo.processInfo.activeProcessorCount).map { _ in
            Task.detached { () -> Bool in
                let deadline = ContinuousClock.now + .seconds(10)
                while ticks.withLock({ $0 }) < 10 {
                    guard ContinuousClock.now < deadline else { return false }
                    usleep(1_000)
                }
                return true
            }
        }
        for task in blocked { #expect(await task.value) }
        await ticking.value
        executor.stop()
    }

    @Test("waking ends a sleep, and a wake-up before the sleep is not lost")
    func wakes() async throws {
        let executor = try ThreadExecutor(named: "test-thread")
        executor.wake()
        await Task(executorPreference: executor) { await executor.sleep(until: .now + .seconds(3_600)) }.value
        let sleeping = Task(executorPreference: executor) { await executor.sleep(until: .now + .seconds(3_600)) }
        executor.wake()
        await sleeping.value
        executor.stop()
    }
}

private func currentThread() -> ObjectIdentifier { ObjectIdentifier(Thread.current) }
