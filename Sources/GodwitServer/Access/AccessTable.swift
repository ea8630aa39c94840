import GodwitCore
import GodwitHTTP
import Synchronization

/// The tokens that are good now. They can be exchanged while the server runs; whoever was let in by one that is gone, or has other
/// rights now, is refused or judged anew from his next request on, and what he follows ends.
final class AccessTable: Sendable {
    private struct Entry {
        let token: AccessToken
        /// Set when the token goes, or changes.
        let gone = Latch()
    }

    private let entries: Mutex<[TokenDigest: Entry]>

    init(_ tokens: [AccessToken]) { entries = Mutex(Self.table(tokens)) }

    /// - Returns: the names of those that came, changed or went.
    func replace(with tokens: [AccessToken]) -> [String] {
        let new = Self.table(tokens)
        let old = entries.withLock { current in
            let old = current
            current = new.mapValues { entry in old[entry.token.digest].flatMap { $0.token == entry.token ? $0 : nil } ?? entry }
            return old
        }
        let gone = old.values.filter { new[$0.token.digest]?.token != $0.token }
        for entry in gone { entry.gone.set() }
        let changed = gone + new.values.filter { old[$0.token.digest] == nil }
        return Set(changed.map(\.token.access.name)).sorted()
    }

    /// Looks up by the digest: how long that takes says nothing about any token.
    func access(for digest: TokenDigest, at now: Timestamp) -> Grant? {
        guard let entry = entries.withLock({ $0[digest] }) else { return nil }
        if let expiresAt = entry.token.expiresAt, expiresAt <= now { return nil }
        var grant = entry.token.access
        grant.tenure = Tenure(end: entry.token.expiresAt, revoked: entry.gone)
        return grant
    }

    private static func table(_ tokens: [AccessToken]) -> [TokenDigest: Entry] {
        Dictionary(tokens.map { ($0.digest, Entry(token: $0)) }, uniquingKeysWith: { first, _ in first })
    }
}
