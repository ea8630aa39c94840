import GodwitJournal

/// What of each segment of the journal something in memory still points to: what it takes to know which segments may go, and which are
/// worth emptying.
struct SegmentUse {
    struct Use: Equatable, Sendable {
        /// How many records, or jobs' shares of them, are live.
        var things = 0
        /// About how many bytes these take, see ``SizeClass``.
        var bytes = 0
    }

    /// By segment number, from `first` on.
    private var uses: [Use] = []
    private var first: UInt32 = 0
    private(set) var total = Use()

    subscript(segment: UInt32) -> Use {
        guard segment >= first, segment - first < UInt32(uses.count) else { return Use() }
        return uses[Int(segment - first)]
    }

    /// The segments in which something is live.
    var segments: [UInt32] { uses.indices.filter { uses[$0].things > 0 }.map { first + UInt32($0) } }

    /// Whether a segment is near enough to the others for a table of all between them.
    func isNear(_ segment: UInt32) -> Bool {
        uses.isEmpty || Int(segment) > Int(first) - Self.longestGap && Int(segment) < Int(first) + uses.count + Self.longestGap
    }

    private static let longestGap = 1 << 20

    @inline(__always)
    mutating func add(_ location: RecordLocation, _ size: SizeClass) {
        let index = Int(location.segment) - Int(first)
        if index < 0 || index >= uses.count { makeRoom(for: location.segment) }
        let place = Int(location.segment - first)
        uses[place].things += 1
        uses[place].bytes += size.bytes
        total.things += 1
        total.bytes += size.bytes
    }

    @inline(__always)
    mutating func remove(_ location: RecordLocation, _ size: SizeClass) {
        let place = Int(location.segment - first)
        uses[place].things -= 1
        uses[place].bytes -= size.bytes
        total.things -= 1
        total.bytes -= size.bytes
    }

    private mutating func makeRoom(for segment: UInt32) {
        // What is below the first one in use is not coming back.
        let empty = uses.firstIndex { $0.things > 0 } ?? uses.count
        if empty > 64 || empty == uses.count {
            uses.removeFirst(empty)
            first += UInt32(empty)
        }
        if uses.isEmpty { first = segment }
        if segment < first {
            uses.insert(contentsOf: repeatElement(Use(), count: Int(first - segment)), at: 0)
            first = segment
        }
        let missing = Int(segment - first) - uses.count + 1
        if missing > 0 { uses.append(contentsOf: repeatElement(Use(), count: missing)) }
    }
}
