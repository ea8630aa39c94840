import Crypto
package import GodwitCore
import Synchronization

/// Leave to follow one job for a while, as text in a URL: for a user's browser, which cannot show a token (an EventSource sends no headers).
///
/// `KEY.EXPIRES.MAC`: which key signed it, when it ends (seconds since 1970), and HMAC-SHA256 (RFC 2104) of that and the job's id, in
/// hexadecimal digits. Whoever has it can follow this job, and do nothing else.
package enum WatchTicket {
    package static let lifetimes: ClosedRange<Duration> = .seconds(1)...Duration.seconds(7 * 86_400)

    static func make(for job: JobID, until end: Timestamp, with key: WatchKey) -> String {
        let seconds = end.milliseconds / 1_000
        return "\(key.name).\(seconds).\(Hexadecimal.encode(key.mac(of: job, until: seconds)))"
    }

    /// Which of the keys signed the ticket, and when it ends; nil when it is not for this job, signed by none of them, or over.
    static func read(_ ticket: String, for job: JobID, keys: [WatchKey], at now: Timestamp) -> (key: WatchKey, end: Timestamp)? {
        let parts = ticket.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let seconds = Int64(parts[1]), let mac = Hexadecimal.decode(parts[2]),
            let key = keys.first(where: { $0.name == parts[0] })
        else { return nil }
        // Compared in a time that says nothing about it, by the library.
        guard key.isMAC(mac, of: job, until: seconds), now.milliseconds / 1_000 < seconds else { return nil }
        return (key, Timestamp(milliseconds: seconds * 1_000))
    }
}

/// A secret that signs tickets.
package struct WatchKey: Sendable, Hashable {
    package static let shortest = 32

    /// Tells keys apart, and nothing about the secret: a part of its hash.
    let name: String
    private let secret: [UInt8]

    package init(_ secret: [UInt8]) {
        self.secret = secret
        name = Hexadecimal.encode(SHA256.hash(data: Array("name of ".utf8) + secret).prefix(4))
    }

    /// A key that nobody else has, and that ends with this process.
    package static func random() -> WatchKey {
        var generator = SystemRandomNumberGenerator()
        return WatchKey((0..<shortest).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private static func message(_ job: JobID, _ seconds: Int64) -> [UInt8] { Array("godwit watch\n\(seconds)\n\(job)".utf8) }

    fileprivate func mac(of job: JobID, until seconds: Int64) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Self.message(job, seconds), using: SymmetricKey(data: secret)))
    }

    fileprivate func isMAC(_ mac: [UInt8], of job: JobID, until seconds: Int64) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(mac, authenticating: Self.message(job, seconds), using: SymmetricKey(data: secret))
    }
}

/// The keys in use: the first one signs, all of them are believed, so that a new one can be put before the old one before that goes.
package final class WatchKeys: Sendable {
    private struct Entry {
        let key: WatchKey
        /// Set when the key goes.
        var gone = Latch()
    }

    private let entries: Mutex<[Entry]>

    /// - Parameter keys: at least one.
    package init(_ keys: [WatchKey]) { entries = Mutex(keys.map { Entry(key: $0) }) }

    /// - Returns: the names of those that came or went.
    package func replace(with new: [WatchKey]) -> [String] {
        let old = entries.withLock { entries in
            let old = entries
            entries = new.map { key in old.first { $0.key == key } ?? Entry(key: key) }
            return old
        }
        let gone = old.filter { !new.contains($0.key) }
        for entry in gone { entry.gone.set() }
        let came = new.filter { key in !old.contains { $0.key == key } }
        return Set((gone.map(\.key) + came).map(\.name)).sorted()
    }

    /// - Returns: nil when there is no key.
    package func ticket(for job: JobID, until end: Timestamp) -> String? {
        entries.withLock { $0.first }.map { WatchTicket.make(for: job, until: end, with: $0.key) }
    }

    /// How long a ticket lets its bearer follow this job; nil when it does not.
    package func tenure(of ticket: String, for job: JobID, at now: Timestamp) -> Tenure? {
        let entries = entries.withLock { $0 }
        guard let (key, end) = WatchTicket.read(ticket, for: job, keys: entries.map(\.key), at: now) else { return nil }
        return Tenure(end: end, revoked: entries.first { $0.key == key }?.gone)
    }
}
