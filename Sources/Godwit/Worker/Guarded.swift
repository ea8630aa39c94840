import GodwitCore
import Synchronization

/// State under a lock, with tasks that wait until it is as they want.
final class Guarded<State: Sendable>: Sendable {
    private struct Waiter: Sendable {
        let id: UInt64
        let isReady: @Sendable (State) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct Contents {
        var state: State
        var waiters: [Waiter] = []
        /// Those that were given up before they could be added.
        var givenUp: Set<UInt64> = []
        var lastID: UInt64 = 0
    }

    private let contents: Mutex<Contents>

    init(_ state: State) { contents = Mutex(Contents(state: state)) }

    /// How many tasks wait.
    var waiting: Int { contents.withLock { $0.waiters.count } }

    func withLock<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        let (result, ready) = contents.withLock { contents in
            let result = body(&contents.state)
            var ready: [Waiter] = []
            var index = 0
            while index < contents.waiters.count {
                if contents.waiters[index].isReady(contents.state) {
                    ready.append(contents.waiters.remove(at: index))
                } else {
                    index += 1
                }
            }
            return (result, ready)
        }
        for waiter in ready { waiter.continuation.resume(returning: true) }
        return result
    }

    /// Waits until the state is as wanted.
    /// - Returns: false when the task was cancelled before it was.
    @discardableResult
    func wait(until isReady: @escaping @Sendable (State) -> Bool) async -> Bool {
        let id = contents.withLock { contents in
            contents.lastID += 1
            return contents.lastID
        }
        defer {
            // Cancelled after it was ready: there is nobody to be given up.
            if Task.isCancelled { contents.withLock { _ = $0.givenUp.remove(id) } }
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = contents.withLock { contents in
                    if contents.givenUp.remove(id) != nil { return false }
                    if isReady(contents.state) { return true }
                    contents.waiters.append(Waiter(id: id, isReady: isReady, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter: Waiter? = contents.withLock { contents in
                guard let index = contents.waiters.firstIndex(where: { $0.id == id }) else {
                    contents.givenUp.insert(id)
                    return nil
                }
                return contents.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    /// Waits until the state is as wanted, for at most so long.
    /// - Returns: false when the time was over, or the task cancelled, before it was.
    @discardableResult
    func wait(until isReady: @escaping @Sendable (State) -> Bool, atMost duration: Duration, clock: any JobClock) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { await self.wait(until: isReady) }
            group.addTask {
                try? await clock.sleep(for: duration)
                return false
            }
            let isReady = await group.next() ?? false
            group.cancelAll()
            return isReady
        }
    }
}
