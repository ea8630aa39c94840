/// Something that becomes due; what is no longer meant is passed over when its time comes.
struct Timer: Comparable, BitwiseCopyable {
    var time: Int64
    /// A job's number, or whatever the heap is about.
    var subject: UInt64

    static func < (a: Timer, b: Timer) -> Bool { (a.time, a.subject) < (b.time, b.subject) }
}

/// Times in order, with lazy removal: `isLive` tells what is still meant, and when the most are not, the rest is gathered anew.
///
/// A heap of four branches in an array in chunks: millions of them take 16 bytes each, and none is moved because another comes.
struct Timers {
    private var heap = ChunkedArray<Timer>()
    private var stale = 0

    init() {}

    init(_ timers: [Timer]) {
        for timer in timers { heap.append(timer) }
        order()
    }

    var count: Int { heap.count }
    var first: Timer? { heap.count == 0 ? nil : heap[0] }

    mutating func insert(_ time: Int64, _ subject: UInt64) {
        let timer = Timer(time: time, subject: subject)
        heap.append(timer)
        var at = heap.count - 1
        while at > 0, timer < heap[(at - 1) / 4] {
            heap[at] = heap[(at - 1) / 4]
            at = (at - 1) / 4
        }
        heap[at] = timer
    }

    mutating func removeFirst() {
        guard heap.count > 0 else { return }
        let last = heap.removeLast()
        if heap.count > 0 { sink(last, to: 0) }
    }

    /// Puts a timer at a place or below it, where what is there goes up.
    private mutating func sink(_ timer: Timer, to place: Int) {
        var at = place
        while at * 4 + 1 < heap.count {
            var least = at * 4 + 1
            for other in least + 1..<max(least + 1, min(at * 4 + 5, heap.count)) where heap[other] < heap[least] { least = other }
            guard heap[least] < timer else { break }
            heap[at] = heap[least]
            at = least
        }
        heap[at] = timer
    }

    private mutating func order() {
        guard heap.count > 1 else { return }
        for place in (0...(heap.count - 2) / 4).reversed() { sink(heap[place], to: place) }
    }

    /// One of the timers is no longer meant.
    mutating func noteStale() { stale += 1 }

    var needsCompacting: Bool { stale > 1_024 && stale > heap.count / 2 }

    mutating func compact(_ isLive: (Timer) -> Bool) {
        var kept = ChunkedArray<Timer>()
        for place in heap.indices where isLive(heap[place]) { kept.append(heap[place]) }
        heap = kept
        order()
        stale = 0
    }
}
