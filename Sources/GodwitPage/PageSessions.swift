import Synchronization

/// Who is logged in: random words that stand for tokens in cookies.
///
/// A browser sends a cookie to every port of a host, so to whoever else serves there: what it carries must be of use for nothing but the page,
/// and of none once somebody has logged out. They are kept in memory: a restart of the server ends them all.
package final class PageSessions: Sendable {
    /// Sessions at a time: beyond that the one that was used longest ago ends.
    private static let most = 10_000
    /// How long one lasts that is not used.
    private static let life: Duration = .seconds(12 * 3_600)

    private struct Session {
        let token: String
        var usedAt: ContinuousClock.Instant
    }

    private let sessions = Mutex([String: Session]())

    package init() {}

    /// - Returns: what the cookie carries.
    func begin(_ token: String, now: ContinuousClock.Instant = .now) -> String {
        let word = RandomWord.draw()
        sessions.withLock { sessions in
            if sessions.count >= Self.most {
                sessions = sessions.filter { now - $0.value.usedAt < Self.life }
                if sessions.count >= Self.most, let oldest = sessions.min(by: { $0.value.usedAt < $1.value.usedAt }) {
                    sessions[oldest.key] = nil
                }
            }
            sessions[word] = Session(token: token, usedAt: now)
        }
        return word
    }

    /// The token that a session stands for; nil when there is no such session.
    func token(of word: String, now: ContinuousClock.Instant = .now) -> String? {
        sessions.withLock { sessions in
            guard let session = sessions[word] else { return nil }
            guard now - session.usedAt < Self.life else {
                sessions[word] = nil
                return nil
            }
            sessions[word]?.usedAt = now
            return session.token
        }
    }

    func end(_ word: String) { sessions.withLock { $0[word] = nil } }
}
