/// Who left a line elsewhere than at its front: they stay where they stand until that is the front, and are known by their numbers. Of what
/// stands there twice, the first is what left.
struct Departures {
    private var counts: [UInt64: Int] = [:]
    private(set) var count = 0

    var isEmpty: Bool { counts.isEmpty }

    /// How many with this number have left.
    subscript(number: UInt64) -> Int { counts.isEmpty ? 0 : counts[number, default: 0] }

    mutating func add(_ number: UInt64) {
        counts[number, default: 0] += 1
        count += 1
    }

    /// The one at the front of the line goes, if it has left.
    mutating func take(_ number: UInt64) -> Bool {
        guard let left = counts[number] else { return false }
        counts[number] = left > 1 ? left - 1 : nil
        count -= 1
        return true
    }

    /// Whether so many of a line have left that it is worth making it anew.
    func areMost(of total: Int) -> Bool { count > 1_024 && count > total / 2 }
}
