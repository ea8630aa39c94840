import GodwitCore
import GodwitHTTP
import Synchronization

/// The tokens that are good now. They can be exchanged while the server runs; whoever was let in by one that is gone is refused from his next
/// request on.
final class AccessTable: Sendable {
    private let tokens: Mutex<[TokenDigest: AccessToken]>

    init(_ tokens: [AccessToken]) { self.tokens = Mutex(Self.table(tokens)) }

    /// - Returns: the names of those that came, changed or went.
    func replace(with tokens: [AccessToken]) -> [String] {
        let new = Self.table(tokens)
        let old = self.tokens.withLock { current in
            defer { current = new }
            return current
        }
        let changed = old.values.filter { new[$0.digest] != $0 } + new.values.filter { old[$0.digest] == nil }
        return Set(changed.map(\.access.name)).sorted()
    }

    /// Looks up by the digest: how long that takes says nothing about any token.
    func access(for digest: TokenDigest, at now: Timestamp) -> Grant? {
        guard let token = tokens.withLock({ $0[digest] }) else { return nil }
        if let expiresAt = token.expiresAt, expiresAt <= now { return nil }
        return token.access
    }

    private static func table(_ tokens: [AccessToken]) -> [TokenDigest: AccessToken] {
        Dictionary(tokens.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    }
}
