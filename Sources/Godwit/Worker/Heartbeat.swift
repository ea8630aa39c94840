import GodwitCore
import Logging

/// Keeps a worker's leases alive from a thread of its own, and ends the attempts that were cancelled, are out of time, or lost their lease.
final class Heartbeat: Sendable {
    private struct State: Sendable {
        var table: LeaseTable
        var isStopped = false
    }

    private let holder: any Holder
    private let logger: Logger
    private let thread: ThreadExecutor
    private let state: Guarded<State>

    /// - Parameter thread: its own; it stops it.
    init(holder: any Holder, table: LeaseTable, thread: ThreadExecutor, logger: Logger) {
        self.thread = thread
        self.holder = holder
        self.logger = logger
        state = Guarded(State(table: table))
    }

    /// Begins at once, also when the cooperative pool is blocked; the answer is for ``stop(_:)``.
    func start() -> Task<Void, Never> { Task(executorPreference: thread) { [self] in await beat() } }

    /// Ends what ``start()`` began, and the thread.
    func stop(_ beating: Task<Void, Never>) async {
        state.withLock { $0.isStopped = true }
        thread.wake()
        await beating.value
        thread.stop()
    }

    func hold(_ attempts: [Attempt]) {
        let isEarlier = state.withLock { state in
            let now = ContinuousClock.now
            var isEarlier = false
            for attempt in attempts where state.table.hold(attempt, now: now) { isEarlier = true }
            return isEarlier
        }
        if isEarlier { thread.wake() }
    }

    /// The attempt has begun and may take so long.
    func limit(_ attempt: Attempt, to timeout: Duration) {
        if state.withLock({ $0.table.limit(attempt.token, to: timeout, now: .now) }) { thread.wake() }
    }

    /// The attempts are settled.
    func drop(_ attempts: [Attempt]) {
        state.withLock { state in
            for attempt in attempts { state.table.drop(attempt.token) }
        }
    }

    func noteProgress(of attempt: Attempt) {
        if state.withLock({ $0.table.noteProgress(of: attempt.token) }) { thread.wake() }
    }

    /// Sends an attempt's last progress before it is settled, so that a finished job does not stand at 93 %.
    func flushProgress(of attempt: Attempt) async {
        let token = attempt.token
        guard state.withLock({ $0.table.flushProgress(of: token) }) else { return }
        thread.wake()
        await state.wait { $0.isStopped || $0.table.isFlushed(token) }
    }

    private func beat() async {
        var sending: Task<Void, Never>?
        while true {
            let (turn, isStopped) = state.withLock { ($0.table.turn(now: .now), $0.isStopped) }
            end(turn.ended)
            if !turn.renewals.isEmpty {
                // Beside this loop, which must notice a lease that runs out while the broker does not answer.
                sending = Task(executorPreference: thread) { [self] in await send(turn.renewals) }
            }
            if isStopped { break }
            await thread.sleep(until: turn.wakeAt)
        }
        await sending?.value
    }

    private func send(_ renewals: [Renewal]) async {
        let sentAt = ContinuousClock.now
        var outcomes: [RenewalOutcome]?
        do throws(BrokerError) {
            outcomes = try await holder.renew(renewals)
        } catch {
            logger.warning("leases could not be renewed: trying again", metadata: ["error": "\(error)", "leases": "\(renewals.count)"])
        }
        end(state.withLock { $0.table.answered(renewals, with: outcomes, sentAt: sentAt) })
        thread.wake()
    }

    private func end(_ attempts: [(attempt: Attempt, ending: Attempt.Ending)]) {
        for (attempt, ending) in attempts { attempt.end(ending) }
    }
}
