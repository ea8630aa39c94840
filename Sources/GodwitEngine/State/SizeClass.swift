/// About how long a record is, in 5 bits: what is added to a segment's live bytes when a record comes to life is exactly what is taken off
/// when it dies, without its size being remembered. Two classes to an octave, from 64 bytes to 2 MiB; larger ones count as the largest.
struct SizeClass: BitwiseCopyable, Equatable, Sendable {
    let index: UInt8

    /// What one job has of a record that ended many.
    static let share = SizeClass(index: 0)

    init(index: UInt8) { self.index = index & 31 }

    /// - Parameter size: of what the record holds, in bytes; its headers come on top.
    init(of size: Int) {
        let bytes = UInt64(max(size, 0)) + Self.overhead
        // The half octave in which it lies: the exponent, and the bit below the highest one.
        let exponent = 63 - bytes.leadingZeroBitCount
        let half = Int(bytes >> UInt64(exponent - 1) & 1)
        index = UInt8(min((exponent - 6) * 2 + half + 1, 31))
    }

    /// The middle of the class.
    var bytes: Int {
        guard index > 0 else { return 16 }
        let base = 1 << (6 + Int(index - 1) / 2)
        return index & 1 == 1 ? base + base / 4 : base + base / 2 + base / 4
    }

    private static let overhead: UInt64 = 64
}
