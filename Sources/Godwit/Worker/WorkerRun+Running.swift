import Logging
import Synchronization

extension WorkerRun {
    /// After so long a task lets others have its thread.
    private static let turn: Duration = .microseconds(200)

    /// Has attempts run that were leased.
    func run(_ attempts: [Attempt]) { follow(crew.withLock { $0.add(attempts) }) }

    /// Ends the tasks that wait for attempts; those at work end after it.
    func dismiss() {
        for waiting in crew.withLock({ $0.end() }) { waiting.resume(returning: false) }
    }

    private func follow(_ call: Crew.Call?) {
        switch call {
        case .resume(let waiting): waiting.resume(returning: true)
        case .create(let number):
            let task = RunnerTask()
            task.attach(Task { await self.work(number, task) })
        case nil: break
        }
    }

    /// Runs attempts in this task, until it is cancelled with one of them, or the worker ends.
    nonisolated(nonsending) private func work(_ number: Int, _ task: RunnerTask) async {
        var isCalled = true
        // Not read from the clock once more: what the attempts took is known.
        var taken = Duration.zero
        while true {
            let (attempt, call) = crew.withLock { [isCalled] in $0.take(number, isCalled: isCalled) }
            isCalled = false
            follow(call)
            guard let attempt else {
                if crew.withLock({ $0.hasEnded }) { break }
                isCalled = await called()
                taken = .zero
                continue
            }
            if let ending = attempt.begin(in: task) {
                drop(attempt, ending)
                continue
            }
            taken += await execute(attempt)
            // A handler can cancel the task that it runs in, too.
            if attempt.finish() || Task.isCancelled { break }
            if taken > Self.turn {
                await Task.yield()
                taken = .zero
            }
        }
        follow(crew.withLock { $0.leave(number) })
    }

    /// - Returns: whether the task was called, or else need not have waited.
    nonisolated(nonsending) private func called() async -> Bool {
        await withCheckedContinuation { continuation in
            if !crew.withLock({ $0.rest(continuation) }) { continuation.resume(returning: false) }
        }
    }

    /// Lets go of an attempt that was ended while it was held ahead: its handler must not be called for a job that somebody cancelled, or that
    /// runs elsewhere by now.
    private func drop(_ attempt: Attempt, _ ending: Attempt.Ending) {
        attempt.logger.info(
            "the job was not begun: it was cancelled, its lease was lost, or the worker shuts down",
            metadata: ["why": "\(ending)"]
        )
        handOver(Settlement(attempt: attempt, outcome: ending == .shutdown ? .untouched : .dropped(ending), took: .zero), hasRun: false)
    }

    /// - Returns: how long it took.
    nonisolated(nonsending) private func execute(_ attempt: Attempt) async -> Duration {
        if let timeout = attempt.timeout { heartbeat.limit(attempt, to: timeout) }
        let settlement = await runner.run(attempt)
        if case .succeeded = settlement.outcome, attempt.hasReported { await heartbeat.flushProgress(of: attempt) }
        handOver(settlement)
        return settlement.took
    }
}
