/// Limits how fast tokens can be guessed from one address: a state machine that is told the time.
///
/// Each address has ``burst`` wrong tries, and one more every ``refill``. Beyond that its tries are refused without a look at them, and so is a
/// right guess. But a token that was shown rightly from an address before stays good there: many clients stand behind one proxy, and nobody
/// should keep the others out by guessing.
struct FailedTries {
    static let burst = 20
    static let refill: Duration = .seconds(1)
    /// Addresses that are kept at a time, and tokens that were right.
    static let mostAddresses = 10_000, mostKnown = 10_000

    typealias Instant = ContinuousClock.Instant

    private struct Known: Hashable {
        var address: String
        var digest: TokenDigest
    }

    /// When an address will have all its tries again.
    private var full: [String: Instant] = [:]
    private var known: Set<Known> = []

    /// How long until the address may try again; nil when it may now.
    func wait(_ address: String, _ digest: TokenDigest?, now: Instant) -> Duration? {
        guard let full = full[address], full > now else { return nil }
        if let digest, known.contains(Known(address: address, digest: digest)) { return nil }
        let over = (full - now) - Self.refill * (Self.burst - 1)
        return over > .zero ? over : nil
    }

    mutating func failed(_ address: String, now: Instant) {
        if full.count >= Self.mostAddresses, full[address] == nil { forget(now) }
        full[address] = max(full[address] ?? now, now) + Self.refill
    }

    mutating func succeeded(_ address: String, _ digest: TokenDigest) {
        if known.count >= Self.mostKnown { known.removeAll() }
        known.insert(Known(address: address, digest: digest))
    }

    /// Those who have all their tries need not be kept; when all others are too many, they are forgotten as well.
    private mutating func forget(_ now: Instant) {
        full = full.filter { $0.value > now }
        if full.count >= Self.mostAddresses { full.removeAll() }
    }
}
