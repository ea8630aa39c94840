import GodwitCore

/// Counts how long jobs wait and run, for the store and for each queue: two additions a job in one fixed array, nothing allocated, nothing
/// looked up.
///
/// It is not recorded: it counts from the opening on.
struct JobMeter {
    /// Queues with counts of their own: 3.5 MB at most. Of those beyond only the store's counts know.
    static let mostQueues = 10_000

    private static let bounds = DurationHistogram.Scale.job.bounds
    private static let buckets = bounds.count + 1
    /// The buckets of a histogram and its sum, in microseconds; first those of waiting, then those of running.
    private static let width = buckets + 1
    private static let stride = 2 * width
    private static let none: UInt32 = 0, refused: UInt32 = .max

    private let bounds = Self.bounds
    /// The store's counts first, then one queue's after the other.
    private var cells = [UInt64](repeating: 0, count: Self.stride)
    /// A queue's place in `cells` by its number; 0 for one that has none yet.
    private var places: [UInt32] = []
    private var free: [UInt32] = []

    /// How many queues have counts of their own.
    private var kept: Int { cells.count / Self.stride - 1 - free.count }

    mutating func waited(_ milliseconds: Int64, in queue: UInt32) { record(milliseconds, in: queue, at: 0) }
    mutating func ran(_ milliseconds: Int64, in queue: UInt32) { record(milliseconds, in: queue, at: Self.width) }

    /// A queue is gone for ever.
    mutating func forget(_ queue: UInt32) {
        guard let place = place(of: queue) else { return }
        places[Int(queue)] = Self.none
        for cell in place * Self.stride..<(place + 1) * Self.stride { cells[cell] = 0 }
        free.append(UInt32(place))
    }

    var all: (wait: DurationHistogram, run: DurationHistogram) { histograms(at: 0) }

    /// Nil for a queue in which nothing was counted, and for one beyond the number that is kept.
    func times(of queue: UInt32) -> (wait: DurationHistogram, run: DurationHistogram)? { place(of: queue).map(histograms) }

    private mutating func record(_ milliseconds: Int64, in queue: UInt32, at histogram: Int) {
        // A wall clock that was set back makes no time negative, and no clock makes a job older than 200 years.
        let duration = min(max(0, milliseconds), 1 << 43) * 1_000
        var bucket = 0
        while bucket < bounds.count, duration > bounds[bucket] { bucket += 1 }
        let sum = histogram + Self.buckets
        cells[histogram + bucket] &+= 1
        cells[sum] &+= UInt64(duration)
        let place = Int(place(for: queue))
        guard place != Int(Self.refused) else { return }
        cells[place * Self.stride + histogram + bucket] &+= 1
        cells[place * Self.stride + sum] &+= UInt64(duration)
    }

    private mutating func place(for queue: UInt32) -> UInt32 {
        let number = Int(queue)
        if number < places.count, places[number] != Self.none { return places[number] }
        return makePlace(number)
    }

    private mutating func makePlace(_ number: Int) -> UInt32 {
        while places.count <= number { places.append(Self.none) }
        if let place = free.popLast() {
            places[number] = place
        } else if kept < Self.mostQueues {
            places[number] = UInt32(cells.count / Self.stride)
            cells.append(contentsOf: repeatElement(0, count: Self.stride))
        } else {
            places[number] = Self.refused
        }
        return places[number]
    }

    private func place(of queue: UInt32) -> Int? {
        let number = Int(queue)
        guard number < places.count, places[number] != Self.none, places[number] != Self.refused else { return nil }
        return Int(places[number])
    }

    private func histograms(at place: Int) -> (wait: DurationHistogram, run: DurationHistogram) {
        (histogram(from: place * Self.stride), histogram(from: place * Self.stride + Self.width))
    }

    private func histogram(from start: Int) -> DurationHistogram {
        var histogram = DurationHistogram(.job)
        histogram.counts = Array(cells[start..<start + Self.buckets])
        histogram.sum = cells[start + Self.buckets]
        return histogram
    }
}
