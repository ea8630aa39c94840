import Dispatch
import Foundation
import GodwitCore
import GodwitEngine
import GodwitJournal
import Synchronization

/// Messages through the engine itself, in batches, by threads whose calls are answered by functions: as a frontend does it.
struct RawRun: Sendable {
    /// A producer has so many batches on their way: one is made while others are synced.
    private static let lanes = 4
    private static let largestBatch = 2_048
    private static let leased = 2_048
    /// How long a request for messages waits, after which a thread looks whether it is to end.
    private static let leaseWait: Duration = .milliseconds(100)

    let plan: BenchPlan
    let engine: Engine
    let queues: BatchQueues
    let meters: Meters

    init(plan: BenchPlan, engine: Engine, queues: [QueueName], meters: Meters) throws(BrokerError) {
        self.plan = plan
        self.engine = engine
        self.queues = try BatchQueues(queues)
        self.meters = meters
    }

    // MARK: Publishing

    func publish(from start: UInt64) async throws {
        let pace = Pace(jobs: meters.confirmed.expected, rate: plan.rate, start: start)
        try await BenchThread.run(plan.producers) { number, stop in try publish(pace, number, stop) }
    }

    private func publish(_ pace: Pace, _ number: Int, _ stop: StopFlag) throws {
        let lanes = plan.isOneAtATime ? 1 : max(1, min(Self.lanes, plan.window / plan.producers))
        let most = plan.isOneAtATime ? 1 : max(1, min(Self.largestBatch, plan.window / plan.producers / lanes))
        let underWay = Outstanding(lanes)
        var body = RawBody(size: plan.size, seed: MonotonicTime.now &+ UInt64(number))
        let meter = meters.confirmed, isPaced = plan.rate != nil
        while !stop.isSet, let (jobs, wait) = pace.takeAtOnce(most) {
            // The pace itself: the next message is due then.
            if wait > 0 { SystemThread.sleep(nanoseconds: Int(wait)) }
            try underWay.begin()
            let now = MonotonicTime.now
            var batch = MessageBatch(to: queues, isTransient: plan.isTransient, count: jobs.count, bytes: jobs.count * plan.size)
            for job in jobs { body.next(at: pace.time(of: job, now: now)) { batch.append($0, to: job % queues.names.count) } }
            engine.publish(batch) { result in
                if case .success = result {
                    if isPaced { meter.add(since: jobs.map { pace.time(of: $0, now: now) }) } else { meter.add(jobs.count, since: now) }
                }
                underWay.end(result.failure)
            }
        }
        try underWay.wait()
    }

    // MARK: Consuming

    /// Takes and completes messages until as many as are expected are completed.
    func work() async throws {
        try await BenchThread.run(plan.workers) { number, stop in try work(number, stop) }
    }

    private func work(_ number: Int, _ stop: StopFlag) throws {
        let holder = HolderOptions(
            id: HolderID("bench-\(number)"),
            queues: queues.names,
            order: queues.names.count == 1 ? .strict : .weighted(queues.names.map { _ in 1 }),
            capacity: Self.leased,
            isEmbedded: true
        )
        let underWay = Outstanding(Self.lanes)
        let meters = meters
        var next = lease(holder)
        while true {
            let batch = try next.take()
            if stop.isSet || meters.completed.isComplete { break }
            // The next ones are on their way while these are read.
            next = lease(holder)
            guard !batch.isEmpty else { continue }
            let bodies = try engine.bodies(of: batch)
            meters.delivered.add(since: (0..<bodies.count).map { bodies.withBody($0, RawBody.time) })
            try underWay.begin()
            engine.complete(batch) { result in
                if case .success(let count) = result { meters.completed.add(count, since: MonotonicTime.now) }
                underWay.end(result.failure)
            }
        }
        try underWay.wait()
    }

    private func lease(_ holder: HolderOptions) -> Pending<LeasedBatch> {
        let pending = Pending<LeasedBatch>()
        engine.lease(Self.leased, for: holder, wait: Self.leaseWait) { pending.give($0) }
        return pending
    }

    // MARK: The generator alone

    /// The same messages made, counted and timed, without any engine.
    func generate() {
        var body = RawBody(size: plan.size, seed: MonotonicTime.now)
        var left = meters.confirmed.expected
        while left > 0 {
            let count = min(left, 1_024)
            let now = MonotonicTime.now
            var times: [UInt64] = []
            times.reserveCapacity(count)
            for _ in 0..<count { body.next(at: now) { times.append(RawBody.time(of: $0)) } }
            meters.confirmed.add(count, since: now)
            meters.delivered.add(since: times)
            left -= count
        }
    }
}

/// A raw message's body: when it was published, then noise that no disk can compress.
struct RawBody {
    private var bytes: [UInt8]
    private var random: SplitMix64

    init(size: Int, seed: UInt64) {
        bytes = [UInt8](repeating: 0, count: size)
        random = SplitMix64(seed: seed)
    }

    mutating func next<Result>(at time: UInt64, _ use: (UnsafeRawBufferPointer) -> Result) {
        bytes.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: time, as: UInt64.self)
            var offset = 8
            while offset + 8 <= bytes.count {
                bytes.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
                offset += 8
            }
            while offset < bytes.count {
                bytes[offset] = UInt8(truncatingIfNeeded: random.next())
                offset += 1
            }
            _ = use(UnsafeRawBufferPointer(bytes))
        }
    }

    /// 0 for a body that is none of the bench's.
    static func time(of body: UnsafeRawBufferPointer) -> UInt64 { body.count >= 8 ? body.loadUnaligned(as: UInt64.self) : 0 }
}
