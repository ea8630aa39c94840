import GodwitCore
import Synchronization

/// Told to all threads of a run when they are to end.
final class StopFlag: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

enum BenchThread {
    /// Runs `body` on so many threads, each told its number, and waits for them all. When one of them throws, or the task is cancelled, the
    /// others are told to stop.
    static func run(_ count: Int, _ body: @escaping @Sendable (Int, StopFlag) throws -> Void) async throws {
        let stop = StopFlag()
        try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<count { group.addTask { try await run(number, stop, body) } }
                try await group.waitForAll()
            }
            try Task.checkCancellation()
        } onCancel: {
            stop.set()
        }
    }

    private static func run(_ number: Int, _ stop: StopFlag, _ body: @escaping @Sendable (Int, StopFlag) throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let run: @Sendable () -> Void = {
                let result = Result { try body(number, stop) }
                if case .failure = result { stop.set() }
                continuation.resume(with: result)
            }
            do { try SystemThread.start(name: "godwit-bench", run) } catch { continuation.resume(throwing: error) }
        }
    }
}
