/// SipHash-2-4 over words: a keyed 64-bit MAC that costs some twenty nanoseconds.
///
/// Source: Jean-Philippe Aumasson and Daniel J. Bernstein, "SipHash: a fast short-input PRF", 2012.
struct SipHash: Sendable, Equatable {
    let k0: UInt64
    let k1: UInt64

    /// The MAC of the words, as if their bytes stood in little-endian order.
    func mac(_ a: UInt64, _ b: UInt64, _ c: UInt64) -> UInt64 {
        var state = State(k0, k1)
        state.compress(a)
        state.compress(b)
        state.compress(c)
        // The last block: no bytes left over, and the length modulo 256 on top.
        state.compress(24 << 56)
        return state.finish()
    }

    /// The MAC of a word and of bytes behind it.
    func mac(_ word: UInt64, bytes: [UInt8]) -> UInt64 {
        var state = State(k0, k1)
        state.compress(word)
        var rest: UInt64 = 0, shift: UInt64 = 0
        for byte in bytes {
            rest |= UInt64(byte) << shift
            shift += 8
            guard shift == 64 else { continue }
            state.compress(rest)
            (rest, shift) = (0, 0)
        }
        state.compress(rest | UInt64(truncatingIfNeeded: bytes.count + 8) << 56)
        return state.finish()
    }

    private struct State {
        var v0, v1, v2, v3: UInt64

        init(_ k0: UInt64, _ k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        mutating func round() {
            v0 &+= v1
            v1 = v1.rotated(by: 13) ^ v0
            v0 = v0.rotated(by: 32)
            v2 &+= v3
            v3 = v3.rotated(by: 16) ^ v2
            v0 &+= v3
            v3 = v3.rotated(by: 21) ^ v0
            v2 &+= v1
            v1 = v1.rotated(by: 17) ^ v2
            v2 = v2.rotated(by: 32)
        }

        mutating func compress(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            round()
            round()
            round()
            round()
            return v0 ^ v1 ^ v2 ^ v3
        }
    }
}

extension UInt64 {
    fileprivate func rotated(by bits: UInt64) -> UInt64 { (self << bits) | (self >> (64 - bits)) }
}
