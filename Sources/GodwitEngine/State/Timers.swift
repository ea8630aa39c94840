import HeapModule

/// Something that becomes due; what is no longer meant is passed over when its time comes.
struct Timer: Comparable, BitwiseCopyable {
    var time: Int64
    /// A job's number, or whatever the heap is about.
    var subject: UInt64

    static func < (a: Timer, b: Timer) -> Bool { (a.time, a.subject) < (b.time, b.subject) }
}

/// Times in order, with lazy removal: `isLive` tells what is still meant, and when the most are not, the rest is gathered anew.
struct Timers {
    private var heap = Heap<Timer>()
    private var stale = 0

    init() {}
    init(_ timers: [Timer]) { heap = Heap(timers) }

    var count: Int { heap.count }
    var first: Timer? { heap.min }

    mutating func insert(_ time: Int64, _ subject: UInt64) { heap.insert(Timer(time: time, subject: subject)) }
    mutating func removeFirst() { if !heap.isEmpty { heap.removeMin() } }

    /// One of the timers is no longer meant.
    mutating func noteStale() { stale += 1 }

    var needsCompacting: Bool { stale > 1_024 && stale > heap.count / 2 }

    mutating func compact(_ isLive: (Timer) -> Bool) {
        heap = Heap(heap.unordered.filter(isLive))
        stale = 0
    }
}
