import DequeModule

/// Numbers that are near to each other: 4 bytes each, as differences to the first.
struct NumberChunk {
    static let size = 512

    private var base: UInt64
    private var differences: [Int32] = []

    /// A chunk for numbers near to this one, without room reserved.
    init(near number: UInt64) { base = number }

    init(near number: UInt64, capacity: Int) {
        base = number
        differences.reserveCapacity(capacity)
    }

    var count: Int { differences.count }
    subscript(index: Int) -> UInt64 { base &+ UInt64(bitPattern: Int64(differences[index])) }

    /// Adds a number; answers whether it was near enough, and there was room.
    mutating func append(_ number: UInt64) -> Bool {
        guard differences.count < Self.size, let difference = Int32(exactly: Int64(bitPattern: number &- base)) else { return false }
        // Doubling would make room for twice as many as there may be.
        if differences.count == differences.capacity, differences.count >= 48 { differences.reserveCapacity(Self.size) }
        differences.append(difference)
        return true
    }

    /// Empties it, and keeps its memory.
    mutating func restart(near number: UInt64) {
        differences.removeAll(keepingCapacity: true)
        base = number
    }

    var bytes: Int { MemoryLayout<NumberChunk>.stride + differences.capacity * MemoryLayout<Int32>.stride }
}

/// A first-in, first-out line of numbers that are near to their neighbours, in chunks.
struct NumberLine {
    private var chunks = Deque<NumberChunk>()
    /// How many of the first chunk are gone.
    private var taken = 0
    private(set) var count = 0

    var first: UInt64? { count == 0 ? nil : chunks[0][taken] }

    var last: UInt64? {
        guard count > 0 else { return nil }
        let chunk = chunks.count - 1
        return chunks[chunk][chunks[chunk].count - 1]
    }

    mutating func append(_ number: UInt64) {
        if count == 0 {
            taken = 0
            // A line that is filled and emptied again and again keeps its memory; one that never had a second chunk may be one of many.
            if chunks.isEmpty { chunks.append(NumberChunk(near: number)) } else { chunks[0].restart(near: number) }
        }
        count += 1
        if chunks[chunks.count - 1].append(number) { return }
        var chunk = NumberChunk(near: number, capacity: NumberChunk.size)
        _ = chunk.append(number)
        chunks.append(chunk)
    }

    mutating func removeFirst() {
        precondition(count > 0, "the line is empty")
        taken += 1
        count -= 1
        guard taken == chunks[0].count, chunks.count > 1 else { return }
        taken = 0
        chunks.removeFirst()
    }

    /// Visits from the first on, until `body` says that it is enough.
    func forEach(_ body: (UInt64) throws -> Bool) rethrows {
        var skip = taken
        for chunk in chunks {
            for index in skip..<chunk.count where try !body(chunk[index]) { return }
            skip = 0
        }
    }

    /// Keeps only what `isLive` says; the order stays.
    mutating func compact(_ isLive: (UInt64) -> Bool) {
        var kept = NumberLine()
        forEach { number in
            if isLive(number) { kept.append(number) }
            return true
        }
        self = kept
    }

    /// The bytes that its elements take.
    var bytes: Int { chunks.reduce(0) { $0 + $1.bytes } }
}
