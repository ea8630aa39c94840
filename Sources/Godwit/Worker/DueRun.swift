package import GodwitCore
import Logging

/// Runs a worker's jobs one after the other, as far as they are due: for tests, which move the time themselves.
///
/// It uses the worker's own leases, handlers and settlements; what it leaves out is what goes on by itself: heartbeats, time-outs, waiting.
package struct DueRun: Sendable {
    /// An attempt that was run.
    package struct Attempted: Sendable {
        package var job: JobSnapshot
        /// The state that it left the job in.
        package var state: JobState
        /// What the handler threw.
        package var error: (any Error)?
    }

    /// A job that enqueues itself without a delay would run for ever.
    private static let limit = 100_000

    private let plan: WorkerPlan
    private let runner: AttemptRunner
    private let holder: any Holder
    private var scheduler: Scheduler

    /// - Throws: ``WorkerError`` when the worker is set up wrongly; ``BrokerError``.
    package init(_ worker: Worker) async throws {
        plan = try WorkerPlan(worker)
        runner = plan.runner
        holder = try await plan.openHolder()
        scheduler = Scheduler(plan.schedules, client: plan.client, logger: plan.logger)
    }

    package var queues: [QueueName] { plan.queues }

    /// Fires the schedules that are due and runs jobs until none is ready.
    /// - Returns: the attempts, in order, and when a schedule is due next.
    /// - Throws: ``BrokerError``; never what a handler throws.
    package mutating func run() async throws -> (attempts: [Attempted], nextDue: Timestamp?) {
        var attempts: [Attempted] = []
        let nextDue = try await scheduler.fireDue()
        guard !plan.handlers.isEmpty else { return (attempts, nextDue) }
        while let delivery = try await holder.lease(max: 1, term: .fixed(plan.lease), wait: .zero).first {
            attempts.append(try await run(delivery))
            guard attempts.count < Self.limit else {
                throw BrokerError(.invalidArgument, "\(Self.limit) attempts ran without an end: does a job enqueue itself without a delay?")
            }
        }
        return (attempts, nextDue)
    }

    package func close() async throws { try await holder.close() }

    private func run(_ delivery: Delivery) async throws -> Attempted {
        let attempt = Attempt(delivery, handler: runner.handler(for: delivery), logger: plan.logger) { [holder] attempt in
            guard let progress = attempt.takeProgress() else { return }
            _ = try await holder.renew([Renewal(attempt.token, progress: progress)])
        }
        // In a task of its own, which a handler may cancel: the test's goes on.
        let task = Task { [runner] in await runner.run(attempt) }
        var settlement = await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        while let transaction = settlement.transaction {
            do throws(BrokerError) {
                guard case .state(let state)? = try await plan.client.broker.commit(transaction).first else { break }
                return Attempted(job: delivery.job, state: state, error: settlement.error)
            } catch {
                guard error.code != .staleLease, let refused = settlement.refused(because: error) else { break }
                settlement = refused
            }
        }
        // Cancelled or lost while it ran.
        let state = try await plan.client.snapshot(of: delivery.job.id).state
        return Attempted(job: delivery.job, state: state, error: settlement.error)
    }
}
