import GodwitCore
import Synchronization

/// How fast jobs come to a queue and leave it.
struct QueueRates: Sendable, Hashable {
    /// Jobs published, ended in any state, and attempts that failed, a second.
    var published: Double
    var ended: Double
    var failing: Double
}

/// Works out rates from the totals that queues keep: each look at the page leaves a sample, and later looks compare with it. Nothing is counted
/// and nothing runs while nobody looks.
final class RateSampler: Sendable {
    fileprivate struct Sample {
        var at: ContinuousClock.Instant
        var published: Int
        var unfinished: Int
        var succeeded: Int
        var failing: Int
    }

    /// What rates are taken over.
    private static let window: Duration = .seconds(30)
    /// An older sample says nothing of now.
    private static let oldest: Duration = .seconds(300)
    /// Samples closer together than this tell nothing new.
    private static let spacing: Duration = .seconds(1)
    private static let most = 60

    private let samples = Mutex<[QueueName: [Sample]]>([:])

    /// Queues that samples are kept of.
    var count: Int { samples.withLock { $0.count } }

    /// Rates of queues, as far as there are earlier samples, and how deep each was at those. These statuses become samples.
    /// - Parameter isAll: whether these are all queues there are; others are forgotten then.
    func look(
        at queues: [QueueStatus],
        isAll: Bool,
        now: ContinuousClock.Instant = .now
    ) -> [QueueName: (rates: QueueRates?, depths: [Int])] {
        samples.withLock { samples in
            if isAll {
                let names = Set(queues.map(\.name))
                samples = samples.filter { names.contains($0.key) }
            } else {
                // What nobody has looked at for a while says nothing any more: deleted queues are among them.
                samples = samples.filter { $0.value.last.map { now - $0.at <= Self.oldest } ?? false }
            }
            var result: [QueueName: (rates: QueueRates?, depths: [Int])] = [:]
            for queue in queues {
                var known = (samples[queue.name] ?? []).filter { now - $0.at <= Self.oldest }
                let sample = Sample(queue, at: now)
                // Totals begin anew when the store is opened again.
                if let last = known.last, last.published > sample.published || last.succeeded > sample.succeeded { known = [] }
                let base = known.first { now - $0.at <= Self.window } ?? known.last
                let rates = base.flatMap { now - $0.at >= Self.spacing ? sample.rates(since: $0) : nil }
                if known.last.map({ now - $0.at >= Self.spacing }) ?? true { known.append(sample) }
                if known.count > Self.most { known.removeFirst(known.count - Self.most) }
                samples[queue.name] = known
                result[queue.name] = (rates, known.map(\.unfinished))
            }
            return result
        }
    }
}

extension RateSampler.Sample {
    fileprivate init(_ queue: QueueStatus, at now: ContinuousClock.Instant) {
        self.init(
            at: now,
            published: queue.totals.published,
            unfinished: queue.counts.unfinished,
            succeeded: queue.totals.succeeded,
            failing: queue.totals.failedAttempts
        )
    }

    fileprivate func rates(since base: Self) -> QueueRates {
        let seconds = (at - base.at).inSeconds
        // What came and is not there any more has ended; one that was retried after its end would be missed, but did succeed again.
        let ended = max(published - base.published - (unfinished - base.unfinished), succeeded - base.succeeded, 0)
        return QueueRates(
            published: Double(max(0, published - base.published)) / seconds,
            ended: Double(ended) / seconds,
            failing: Double(max(0, failing - base.failing)) / seconds
        )
    }
}
