import Godwit
import GodwitCore
import GodwitEngine
import GodwitJournal

/// Messages through the engine itself, in batches.
struct RawRun: Sendable {
    /// A producer has so many batches on their way, so that one is made while others are synced.
    private static let lanes = 4
    private static let largestBatch = 1_024

    let plan: BenchPlan
    let engine: Engine
    let queues: [QueueName]
    let meters: Meters

    func publish(from start: UInt64) async throws {
        let pace = Pace(jobs: meters.confirmed.expected, rate: plan.rate, start: start)
        let lanes = plan.isOneAtATime ? 1 : min(Self.lanes, max(1, plan.window / plan.producers))
        let batch = plan.isOneAtATime ? 1 : min(Self.largestBatch, max(1, plan.window / plan.producers / lanes))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<plan.producers * lanes {
                group.addTask { try await publish(pace, batch: batch, seed: UInt64(lane)) }
            }
            try await group.waitForAll()
        }
    }

    private func publish(_ pace: Pace, batch: Int, seed: UInt64) async throws {
        var random = SplitMix64(seed: MonotonicTime.now &+ seed)
        while let range = try await pace.take(batch) {
            let now = MonotonicTime.now
            var times: [UInt64] = []
            let transactions = range.map { job in
                let time = pace.time(of: job, now: now)
                times.append(time)
                let message = NewMessage(
                    queue: queues[job % queues.count],
                    payload: Content(RawBody.make(time: time, size: plan.size, &random), type: Content.binary)
                )
                return Transaction(.enqueue(message))
            }
            for outcome in try await engine.commit(transactions) { _ = try outcome.get() }
            meters.confirmed.add(since: times)
        }
    }

    /// Takes and completes messages until as many as are expected are completed.
    func work() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for worker in 0..<plan.workers { group.addTask { try await work(worker) } }
            while let isLast = try await group.next(), !isLast {}
            group.cancelAll()
            while try await group.next() != nil {}
        }
    }

    /// - Returns: whether it completed the last message.
    private func work(_ number: Int) async throws -> Bool {
        let holder = try await engine.open(
            HolderOptions(id: HolderID("bench-\(number)"), queues: queues, capacity: Limits.leases, isEmbedded: true)
        )
        while !Task.isCancelled {
            let deliveries = try await holder.lease(max: Limits.leases, term: .queue, wait: .seconds(1))
            guard !deliveries.isEmpty else { continue }
            meters.delivered.add(since: deliveries.map { RawBody.time(of: $0.payload.bytes) })
            let outcomes = try await engine.commit(deliveries.map { Transaction(.complete($0.token, result: nil)) })
            for outcome in outcomes { _ = try outcome.get() }
            if meters.completed.add(outcomes.count, since: MonotonicTime.now) { return true }
        }
        return false
    }

    /// The same messages made, counted and timed, without any engine.
    func generate() {
        var random = SplitMix64(seed: MonotonicTime.now)
        var left = meters.confirmed.expected
        while left > 0 {
            let count = min(left, Self.largestBatch)
            let now = MonotonicTime.now
            let bodies = (0..<count).map { _ in RawBody.make(time: now, size: plan.size, &random) }
            meters.confirmed.add(since: bodies.map { _ in now })
            meters.delivered.add(since: bodies.map { RawBody.time(of: $0) })
            left -= count
        }
    }
}

/// A raw message's body: when it was published, then noise that no disk can compress.
enum RawBody {
    static func make(time: UInt64, size: Int, _ random: inout SplitMix64) -> Bytes {
        Bytes(
            [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                let bytes = UnsafeMutableRawBufferPointer(buffer)
                bytes.storeBytes(of: time, as: UInt64.self)
                var offset = 8
                while offset + 8 <= size {
                    bytes.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
                    offset += 8
                }
                while offset < size {
                    buffer[offset] = UInt8(truncatingIfNeeded: random.next())
                    offset += 1
                }
                count = size
            }
        )
    }

    /// 0 for a body that is none of the bench's.
    static func time(of body: Bytes) -> UInt64 {
        body.withUnsafeBytes { $0.count >= 8 ? $0.loadUnaligned(as: UInt64.self) : 0 }
    }
}
