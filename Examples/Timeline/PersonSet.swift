/// A set of people, one bit each: 1,256 bytes whatever is in it.
struct PersonSet: Sendable, Equatable {
    private var words = [UInt64](repeating: 0, count: FollowerGraph.people / 64 + 1)
    private(set) var count = 0

    /// Whether `person` was not in the set yet.
    mutating func insert(_ person: Int) -> Bool {
        let bit: UInt64 = 1 << (person % 64)
        guard words[person / 64] & bit == 0 else { return false }
        words[person / 64] |= bit
        count += 1
        return true
    }

    func contains(_ person: Int) -> Bool {
        words[person / 64] & (1 << (person % 64)) != 0
    }

    /// Bit n % 8 of byte n / 8 says whether person n is in the set.
    var bytes: [UInt8] {
        words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }
}
