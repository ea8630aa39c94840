/// Limits how fast tokens can be guessed from one address: a state machine that is told the time.
///
/// Each address has ``burst`` wrong tries, and one more every ``refill``. Beyond that its tries are refused without a look at them, and so is a
/// right guess; after a pause of twenty refills it has all of them again. The same wrong token once more is no guess and costs nothing: many
/// machines may go on with one that has expired. A token that was right from an address the last time is looked at whatever others do there,
/// for many clients may stand behind one proxy.
struct FailedTries: Sendable {
    static let burst = 20
    static let refill: Duration = .seconds(1)
    /// Addresses, and tokens that were shown there, that are remembered at a time.
    static let mostAddresses = 10_000, mostTokens = 20_000

    typealias Instant = ContinuousClock.Instant

    private struct Shown: Hashable {
        var block: AddressBlock
        var digest: TokenDigest
    }

    /// When an address will have all its tries again.
    private var full = RecentTable<AddressBlock, Instant>(limit: mostAddresses)
    /// Whether a token was right when it was shown last.
    private var wasRight = RecentTable<Shown, Bool>(limit: mostTokens)

    /// How long until the address may try again; nil when it may now.
    func wait(_ block: AddressBlock, _ digest: TokenDigest, now: Instant) -> Duration? {
        guard let full = full[block], full > now else { return nil }
        if wasRight[Shown(block: block, digest: digest)] == true { return nil }
        let over = (full - now) - Self.refill * (Self.burst - 1)
        return over > .zero ? over : nil
    }

    /// - Returns: whether it counts as a try.
    mutating func failed(_ block: AddressBlock, _ digest: TokenDigest, now: Instant) -> Bool {
        let shown = Shown(block: block, digest: digest)
        defer { wasRight.set(false, for: shown) }
        guard wasRight[shown] != false else { return false }
        // Never more than all of them: those who were right until now fail together when their token ends.
        full.set(min(max(full[block] ?? now, now) + Self.refill, now + Self.refill * Self.burst), for: block)
        return true
    }

    mutating func succeeded(_ block: AddressBlock, _ digest: TokenDigest) {
        let shown = Shown(block: block, digest: digest)
        if wasRight.recent(shown) != true { wasRight.set(true, for: shown) }
    }
}
