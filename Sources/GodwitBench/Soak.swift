import Foundation
import GodwitCore
import GodwitEngine
package import Logging

/// Fills and empties a store for long, at a given rate, with what pins space and memory among it: messages for next month, and jobs whose results
/// are kept. Watches meanwhile what the store takes.
package struct Soak: Sendable {
    /// Of a hundred messages so many are for next month, and so many are kept with their results when they have ended.
    private static let later = 1, kept = 10
    private static let chunk = 1_000
    private static let result = Content(Bytes("\(UInt64.max)"), type: Content.binary)
    private static let nextMonth: Duration = .seconds(30 * 86_400)

    private let messages: Int
    private let size: Int
    private let rate: Double
    private let folder: String
    private let logger: Logger

    /// - Parameters:
    ///   - messages: how many; the rest of a thousand is left out.
    ///   - rate: messages a second, published in chunks of a thousand.
    ///   - folder: for the store; it must not hold one.
    package init(messages: Int, size: Int, rate: Double, folder: String, logger: Logger) {
        self.messages = messages / Self.chunk * Self.chunk
        self.size = size
        self.rate = rate
        self.folder = folder
        self.logger = logger
    }

    /// - Parameter progress: told every few seconds how it stands.
    /// - Throws: ``BrokerError``; `CancellationError`.
    package func run(progress: @escaping @Sendable (SoakReport) -> Void) async throws -> SoakReport {
        var options = EngineOptions()
        options.logger = logger
        let engine = try await Engine.open(directory: folder, options: options)
        let queues = try await Queues(engine)
        let before = ProcessUsage.read()
        let watch = SoakWatch(engine: engine, queues: [queues.plain, queues.kept, queues.later], countsFrom: messages / 10)
        let watching = Task { try await watch.run(progress) }
        do {
            try await load(engine, queues, watch)
        } catch {
            watching.cancel()
            await engine.close()
            throw error
        }
        watching.cancel()
        try await watch.look()
        await engine.close()
        var report = watch.report
        let written = ProcessUsage.read().written.flatMap { now in before.written.map { now - $0 } }
        report.messages = messages
        report.writeAmplification = written.map { Double($0) / Double(messages * size) }
        report.folderMegabytes = Double(Self.bytes(of: folder)) / 1e6
        return report
    }

    private struct Queues {
        let plain: QueueName, kept: QueueName, later: QueueName

        init(_ engine: Engine) async throws {
            plain = try QueueName("plain")
            kept = try QueueName("kept")
            later = try QueueName("later")
            var settings = QueueSettings()
            settings.maxJobs = 1_000_000_000
            settings.maxBytes = 1 << 50
            settings.retention = .keep(succeeded: .seconds(86_400), failed: .seconds(86_400), count: 1_000_000_000)
            _ = try await engine.configure(kept, settings, expecting: .absent)
            settings.retention = .none
            _ = try await engine.configure(plain, settings, expecting: .absent)
            _ = try await engine.configure(later, settings, expecting: .absent)
        }
    }

    private func load(_ engine: Engine, _ queues: Queues, _ watch: SoakWatch) async throws {
        let keptCount = messages / 100 * Self.kept, plainCount = messages - keptCount - messages / 100 * Self.later
        var plan = BenchPlan()
        plan.isRaw = true
        plan.workers = 1
        let plain = try RawRun(plan: plan, engine: engine, queues: [queues.plain], meters: Meters(expected: plainCount))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await BenchThread.run(1) { _, stop in try publish(engine, queues, watch, stop) } }
            group.addTask { try await plain.work() }
            group.addTask { try await keep(engine, queues.kept, keptCount) }
            try await group.waitForAll()
        }
    }

    // MARK: Publishing

    private func publish(_ engine: Engine, _ queues: Queues, _ watch: SoakWatch, _ stop: StopFlag) throws {
        let start = MonotonicTime.now
        let pace = Pace(jobs: messages / Self.chunk, rate: rate / Double(Self.chunk), start: start)
        let names = try BatchQueues([queues.plain, queues.kept])
        // Two calls a chunk. While a few are late the publisher waits, and what it waits counts as latency: what it held would count as the
        // store's memory.
        let underWay = Outstanding(16)
        var body = RawBody(size: size, seed: start)
        while !stop.isSet, let (range, wait) = pace.takeAtOnce(1) {
            // The pace itself: the next chunk is due then.
            if wait > 0 { SystemThread.sleep(nanoseconds: Int(wait)) }
            let due = pace.time(of: range.lowerBound, now: MonotonicTime.now)
            var batch = MessageBatch(to: names, count: Self.chunk, bytes: Self.chunk * size)
            var scheduled: [GodwitCore.Operation] = []
            for index in 0..<Self.chunk {
                body.next(at: due) { bytes in
                    switch index % 100 {
                    case 0..<Self.later:
                        let payload = Content(Bytes(Array(bytes)), type: Content.binary)
                        scheduled.append(.enqueue(NewMessage(queue: queues.later, payload: payload, start: .after(Self.nextMonth))))
                    case Self.later..<(Self.later + Self.kept): batch.append(bytes, to: 1)
                    default: batch.append(bytes, to: 0)
                    }
                }
            }
            try underWay.begin()
            let count = batch.count
            engine.publish(batch) { result in
                watch.confirmed(count, since: due)
                underWay.end(result.failure)
            }
            try underWay.begin()
            Task { [scheduled] in
                do throws(BrokerError) {
                    for result in try await engine.commit(each: scheduled) { _ = try result.get() }
                    watch.confirmed(scheduled.count, since: due)
                    underWay.end(nil)
                } catch {
                    underWay.end(error)
                }
            }
        }
        try underWay.wait()
    }

    // MARK: Jobs whose results are kept

    private func keep(_ engine: Engine, _ queue: QueueName, _ count: Int) async throws {
        let holder = try await engine.open(HolderOptions(id: HolderID("soak"), queues: [queue], capacity: 1_000, isEmbedded: true))
        var left = count
        while left > 0 {
            let deliveries = try await holder.lease(max: 1_000, term: .holderLife, wait: .milliseconds(100))
            try Task.checkCancellation()
            let completions = deliveries.map { GodwitCore.Operation.complete($0.token, result: Self.result) }
            for result in try await engine.commit(each: completions) { _ = try result.get() }
            left -= deliveries.count
        }
        try await holder.close()
    }

    private static func bytes(of folder: String) -> Int {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.reduce(0) { sum, file in
            let attributes = try? FileManager.default.attributesOfItem(atPath: folder + "/" + file)
            return sum + (attributes?[.size] as? Int ?? 0)
        }
    }
}
