import Foundation
import Godwit
import GodwitCore
import GodwitEngine
import GodwitJournal
package import Logging

/// Measures a store: opens it, lets jobs run through it, and closes it.
package struct Bench: Sendable {
    /// So many jobs tell what generating costs.
    private static let generated = 200_000
    /// So many syncs are timed before the run and after it.
    private static let probes = 250
    /// Room for every message of a bench.
    private static let settings: QueueSettings = {
        var settings = QueueSettings()
        settings.maxJobs = 1_000_000_000
        settings.maxBytes = 1 << 50
        return settings
    }()

    private let plan: BenchPlan
    private let logger: Logger

    package init(_ plan: BenchPlan, logger: Logger) {
        self.plan = plan
        self.logger = logger
    }

    /// - Parameter progress: told a few times a second how far the run is; nil where nobody looks.
    /// - Throws: ``BrokerError``; `CancellationError`, after the store was closed.
    package func run(progress: (@Sendable (BenchProgress) -> Void)? = nil) async throws -> BenchReport {
        let opening = MonotonicTime.now
        let store = try await OpenedStore.open(plan.store, logger: logger)
        var report = BenchReport()
        report.openSeconds = Double(MonotonicTime.now - opening) / 1e9
        do {
            try await measure(store, &report, progress)
            await store.close()
        } catch {
            await store.close()
            throw error
        }
        return report
    }

    private func measure(
        _ store: OpenedStore,
        _ report: inout BenchReport,
        _ progress: (@Sendable (BenchProgress) -> Void)?
    ) async throws {
        let queues = try await prepare(store)
        let meters = Meters(expected: try await expected(store, queues))
        var probe = store.folder.map { SyncProbe(folder: $0) }
        try probe?.run(Self.probes)
        let before = ProcessUsage.read()
        let start = MonotonicTime.now
        try await reporting(meters, since: start, to: progress) { try await load(store, queues, meters, from: start) }
        let after = ProcessUsage.read()
        try probe?.run(Self.probes)
        let closing = ProcessUsage.read()
        await store.closeBroker()
        let closed = ProcessUsage.read()
        report.peakMegabytes = ProcessUsage.peakMegabytes()

        let jobs = plan.consumes ? meters.completed.count : meters.confirmed.count
        report.jobs = jobs
        report.syncMicroseconds = probe?.median
        if plan.publishes {
            let figures = meters.confirmed.figures(since: start)
            report.publishPerSecond = figures.perSecond
            report.publishFirstPerSecond = figures.firstPerSecond
            report.publishLastPerSecond = figures.lastPerSecond
            report.confirm = figures.latencies
            if let first = before.written, let run = after.written, let second = closing.written, let last = closed.written {
                report.writeAmplification = Double(run - first + last - second) / Double(jobs * plan.size)
            }
        }
        if plan.consumes {
            report.endToEndPerSecond = meters.completed.figures(since: start).perSecond
            report.endToEnd = meters.delivered.figures(since: start).latencies
        }
        guard jobs > 0 else { return }
        let generator = try await generatorCost(store, queues)
        report.generatorPerJob = generator
        report.processorPerJob = max(0, (after.processor - before.processor) / Double(jobs) * 1e6 - generator)
    }

    /// Creates the queues, with room for all.
    private func prepare(_ store: OpenedStore) async throws -> [QueueName] {
        let queues = try plan.queueNames.map { name throws(BrokerError) in try QueueName(name) }
        var settings = Self.settings
        if plan.isRaw { settings.retention = .none }
        for queue in queues {
            let status = try await store.client.broker.queue(queue)
            try refuseMixing(with: status)
            guard status?.settings != settings else { continue }
            let expected: Expectation = if let status { .version(status.settingsVersion) } else { .absent }
            _ = try await store.client.broker.configure(queue, settings, expecting: expected)
        }
        return queues
    }

    /// A round's figures are about its own jobs: those of an earlier one would be among them.
    private func refuseMixing(with status: QueueStatus?) throws(BrokerError) {
        guard case .round = plan.load, let status, status.counts.unfinished > 0 else { return }
        throw .invalidArgument(
            "broker",
            "the queue \(status.name) holds \(status.counts.unfinished) jobs of an earlier run: take them with --drain, or name another store"
        )
    }

    private func expected(_ store: OpenedStore, _ queues: [QueueName]) async throws -> Int {
        if let jobs = plan.jobs { return jobs }
        var waiting = 0
        for queue in queues { waiting += try await store.client.broker.queue(queue)?.counts.unfinished ?? 0 }
        return waiting
    }

    private func load(_ store: OpenedStore, _ queues: [QueueName], _ meters: Meters, from start: UInt64) async throws {
        guard meters.confirmed.expected > 0 else { return }
        let publish: @Sendable () async throws -> Void
        let work: @Sendable () async throws -> Void
        if plan.isRaw {
            let run = try RawRun(plan: plan, engine: try store.engine(), queues: queues, meters: meters)
            (publish, work) = ({ try await run.publish(from: start) }, { try await run.work() })
        } else {
            let run = TypedRun(plan: plan, client: store.client, meters: meters)
            (publish, work) = ({ try await run.publish(from: start) }, { try await run.work() })
        }
        if plan.publishes, plan.consumes, !plan.isOneAtATime {
            async let working: Void = work()
            try await publish()
            try await working
        } else {
            if plan.publishes { try await publish() }
            if plan.consumes { try await work() }
        }
    }

    /// Microseconds of processor time that the load itself costs, a job.
    private func generatorCost(_ store: OpenedStore, _ queues: [QueueName]) async throws -> Double {
        let count = min(Self.generated, max(1_000, plan.jobs ?? Self.generated))
        let meters = Meters(expected: count)
        let before = ProcessUsage.read()
        if plan.isRaw {
            try RawRun(plan: plan, engine: try store.engine(), queues: queues, meters: meters).generate()
        } else {
            try await TypedRun(plan: plan, client: store.client, meters: meters).generate()
        }
        return (ProcessUsage.read().processor - before.processor) / Double(count) * 1e6
    }

    /// Tells how far it is while `body` runs.
    private func reporting(
        _ meters: Meters,
        since start: UInt64,
        to progress: (@Sendable (BenchProgress) -> Void)?,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        guard let progress else { return try await body() }
        let reporter = Task {
            while !Task.isCancelled {
                // How often the line is drawn anew, for people to read.
                try await Task.sleep(for: .milliseconds(200))
                progress(
                    BenchProgress(
                        jobs: meters.confirmed.expected,
                        confirmed: meters.confirmed.count,
                        completed: meters.delivered.count,
                        seconds: Double(MonotonicTime.now - start) / 1e9
                    )
                )
            }
        }
        defer { reporter.cancel() }
        try await body()
    }
}
