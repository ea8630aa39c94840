import Godwit
import GodwitJournal

/// A typed job without any work: it says when it was published, and carries noise that no disk can compress.
struct BenchJob: Codable, Sendable {
    var at: UInt64
    var data: String

    /// `{"at":…,"data":""}` with the longest time.
    private static let frame = 17 + 20
    static let leastSize = frame

    init(at: UInt64, size: Int, _ random: inout SplitMix64) {
        self.at = at
        data = Self.noise(max(0, size - 17 - Self.digits(at)), &random)
    }

    private static func digits(_ number: UInt64) -> Int {
        var count = 1, rest = number
        while rest >= 10 { (count, rest) = (count + 1, rest / 10) }
        return count
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private static func noise(_ count: Int, _ random: inout SplitMix64) -> String {
        alphabet.withUnsafeBufferPointer { alphabet in
            String(unsafeUninitializedCapacity: count) { buffer in
                var bits: UInt64 = 0
                for index in 0..<count {
                    if index % 10 == 0 { bits = random.next() }
                    buffer[index] = alphabet[Int(bits & 63)]
                    bits >>= 6
                }
                return count
            }
        }
    }
}

extension BenchJob: Job {
    static let name = "bench"
    static let queue = "bench"
}
