/// A word that nobody can guess: 128 bits from the system's source of randomness.
enum RandomWord {
    static func draw() -> String { (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 16) }.joined(separator: "-") }
}
