import Histogram
import Synchronization

/// Counts what was confirmed, or delivered, and how long each took.
final class Meter: Sendable {
    struct State {
        /// In nanoseconds, to three digits.
        var latencies = Histogram<UInt64>(highestTrackableValue: 1 << 50, numberOfSignificantValueDigits: .three)
        var count = 0
        /// When the first tenth was there, and how many were there then: batches do not end at tenths.
        var firstTenth: (time: UInt64, count: Int)?
        /// The latest point at which the last tenth was still to come.
        var lastTenth: (time: UInt64, count: Int)?
        var last: UInt64 = 0
    }

    /// How many there will be.
    let expected: Int
    private let state = Mutex(State())

    init(expected: Int) { self.expected = expected }

    var count: Int { state.withLock { $0.count } }
    var isComplete: Bool { count >= expected }

    /// - Parameter times: when each of them began, by ``MonotonicTime``; equal ones side by side are cheap.
    /// - Returns: whether these were the last ones.
    @discardableResult
    func add(since times: some Collection<UInt64>) -> Bool {
        let now = MonotonicTime.now
        return state.withLock { state in
            var rest = times[...]
            while let time = rest.first {
                let run = rest.prefix { $0 == time }
                state.record(now > time ? now - time : 0, count: run.count)
                rest = rest[run.endIndex...]
            }
            return state.note(times.count, at: now, of: expected)
        }
    }

    /// The same for `count` that began at one time.
    @discardableResult
    func add(_ count: Int, since time: UInt64) -> Bool {
        let now = MonotonicTime.now
        return state.withLock { state in
            state.record(now > time ? now - time : 0, count: count)
            return state.note(count, at: now, of: expected)
        }
    }

    /// - Parameter start: when the first one began.
    func figures(since start: UInt64) -> Figures {
        state.withLock { state in
            func rate(_ count: Int, _ from: UInt64, _ to: UInt64) -> Double? {
                to > from && count > 0 ? Double(count) / (Double(to - from) / 1e9) : nil
            }
            let first = state.firstTenth ?? (start, 0), last = state.lastTenth ?? (start, 0)
            return Figures(
                count: state.count,
                perSecond: rate(state.count, start, state.last),
                firstPerSecond: rate(first.count, start, first.time),
                lastPerSecond: rate(state.count - last.count, last.time, state.last),
                latencies: state.count == 0 ? nil : Latencies(state.latencies)
            )
        }
    }

    struct Figures {
        var count: Int
        var perSecond: Double?
        /// Of the first and the last tenth alone (or somewhat more, where batches are large).
        var firstPerSecond: Double?
        var lastPerSecond: Double?
        var latencies: Latencies?
    }
}

extension Meter.State {
    fileprivate mutating func record(_ nanoseconds: UInt64, count: Int) {
        // What takes longer than thirteen days is none of ours.
        _ = latencies.record(min(nanoseconds, 1 << 50), count: UInt64(count))
    }

    fileprivate mutating func note(_ added: Int, at now: UInt64, of expected: Int) -> Bool {
        count += added
        last = now
        if firstTenth == nil, count >= expected / 10 { firstTenth = (now, count) }
        if count <= expected - expected / 10 { lastTenth = (now, count) }
        return count >= expected && count - added < expected
    }
}

/// Latencies in microseconds.
package struct Latencies: Sendable, Equatable {
    package var p50, p99, p999: Double

    init(_ histogram: Histogram<UInt64>) {
        func microseconds(_ percentile: Double) -> Double { Double(histogram.valueAtPercentile(percentile)) / 1_000 }
        p50 = microseconds(50)
        p99 = microseconds(99)
        p999 = microseconds(99.9)
    }
}
