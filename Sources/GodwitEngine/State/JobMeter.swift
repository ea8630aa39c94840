import GodwitCore

/// Counts how long jobs wait and run, for the store and for each queue: a few additions a job at fixed places, nothing allocated, nothing looked
/// up. The cells are bare memory, for an array's checks would cost five times as much as the counting.
///
/// It is not recorded: it counts from the opening on.
struct JobMeter: ~Copyable {
    private typealias Cells = UnsafeMutablePointer<UInt64>

    /// Queues with counts of their own: 3.5 MB at most. Of those beyond only the store's counts know.
    static let mostQueues = 10_000

    private let bounds: UnsafeMutablePointer<Int64>
    private let boundCount: Int
    /// Cells of one histogram: its buckets and its sum, in microseconds. First comes that of waiting, then that of running.
    private let width: Int
    private let store: Cells
    /// Where the queues beyond the bound count, so that none needs to be asked whether it is one of them.
    private let beyond: Cells
    /// By the queue's number.
    private var queues: [Cells?] = []
    private var kept = 0

    init() {
        let all = DurationHistogram.Scale.job.bounds
        boundCount = all.count
        width = all.count + 2
        bounds = .allocate(capacity: all.count)
        bounds.initialize(from: all, count: all.count)
        store = Self.makeCells(2 * width)
        beyond = Self.makeCells(2 * width)
    }

    deinit {
        for cells in queues { if let cells, cells != beyond { cells.deallocate() } }
        beyond.deallocate()
        store.deallocate()
        bounds.deallocate()
    }

    private static func makeCells(_ count: Int) -> Cells {
        let cells = Cells.allocate(capacity: count)
        cells.initialize(repeating: 0, count: count)
        return cells
    }

    // MARK: Counting

    mutating func waited(_ milliseconds: Int64, in queue: UInt32) { record(milliseconds, in: queue, at: 0) }
    mutating func ran(_ milliseconds: Int64, in queue: UInt32) { record(milliseconds, in: queue, at: width) }

    private mutating func record(_ milliseconds: Int64, in queue: UInt32, at histogram: Int) {
        // A wall clock that was set back makes no time negative, and no clock makes a job older than 200 years.
        let duration = min(max(0, milliseconds), 1 << 43) * 1_000
        var bucket = 0
        while bucket < boundCount, duration > bounds[bucket] { bucket += 1 }
        let cells = cells(of: queue)
        store[histogram + bucket] &+= 1
        cells[histogram + bucket] &+= 1
        store[histogram + width - 1] &+= UInt64(duration)
        cells[histogram + width - 1] &+= UInt64(duration)
    }

    private mutating func cells(of queue: UInt32) -> Cells {
        let number = Int(queue)
        // One that began beyond the bound has cells of its own as soon as others are gone.
        if number < queues.count, let cells = queues[number], cells != beyond || kept >= Self.mostQueues { return cells }
        while queues.count <= number { queues.append(nil) }
        let cells = kept < Self.mostQueues ? Self.makeCells(2 * width) : beyond
        if cells != beyond { kept += 1 }
        queues[number] = cells
        return cells
    }

    /// A queue is gone for ever.
    mutating func forget(_ queue: UInt32) {
        guard let cells = cellsInUse(by: queue) else { return }
        cells.deallocate()
        queues[Int(queue)] = nil
        kept -= 1
    }

    // MARK: Looking

    var all: (wait: DurationHistogram, run: DurationHistogram) { histograms(in: store) }

    /// Nil for a queue in which nothing was counted, and for one beyond the number that is kept.
    func times(of queue: UInt32) -> (wait: DurationHistogram, run: DurationHistogram)? {
        guard let cells = cellsInUse(by: queue) else { return nil }
        return histograms(in: cells)
    }

    private func cellsInUse(by queue: UInt32) -> Cells? {
        guard Int(queue) < queues.count, let cells = queues[Int(queue)], cells != beyond else { return nil }
        return cells
    }

    private func histograms(in cells: Cells) -> (wait: DurationHistogram, run: DurationHistogram) {
        (histogram(from: cells), histogram(from: cells + width))
    }

    private func histogram(from cells: Cells) -> DurationHistogram {
        var histogram = DurationHistogram(.job)
        histogram.counts = Array(UnsafeBufferPointer(start: cells, count: width - 1))
        histogram.sum = cells[width - 1]
        return histogram
    }
}
