/// Which numbers may be given out before the records that do so are durable: those that a durable record has reserved.
struct Reservations {
    /// How many numbers one holds. After a crash those that are left of it are never given out.
    static let size: UInt64 = 1 << 20

    /// Whether any are needed: from the first transient message on.
    var areNeeded = false
    /// The numbers below this one are reserved, durably.
    private(set) var end: UInt64 = 0
    /// One whose record is not durable yet, and the change that it is.
    private(set) var next: (end: UInt64, change: UInt64)?

    /// Whether it is time for the next.
    func isDue(at sequence: UInt64) -> Bool { areNeeded && next == nil && sequence + Self.size / 2 > end }

    mutating func note(_ end: UInt64, at change: UInt64) { next = (end, change) }

    mutating func noteSynced(_ change: UInt64) {
        guard let next, next.change <= change else { return }
        end = next.end
        self.next = nil
    }
}
