import GodwitCore
import ServiceLifecycle

/// A worker at work.
final class WorkerRun: Sendable {
    let plan: WorkerPlan

    init(_ plan: WorkerPlan) { self.plan = plan }

    func run() async throws { try? await gracefulShutdown() }
}
