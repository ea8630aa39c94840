import GodwitCore
import Synchronization

/// The `Date` header (RFC 9110, section 5.6.7), written once a second.
final class HTTPDate: Sendable {
    private let cache = Mutex<(second: Int64, text: String)>((.min, ""))

    func text(at time: Timestamp) -> String {
        let second = time.milliseconds / 1_000
        return cache.withLock { cache in
            if cache.second != second { cache = (second, Self.format(Timestamp(milliseconds: second * 1_000))) }
            return cache.text
        }
    }

    /// `Tue, 24 Nov 2026 22:07:43 GMT`, for times since 1970.
    static func format(_ time: Timestamp) -> String {
        let iso = time.description  // 2026-11-24T22:07:43.120Z
        let parts = iso.split(whereSeparator: { $0 == "-" || $0 == "T" || $0 == "." })
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][(Int(parts[1]) ?? 1) - 1]
        // 1970-01-01 was a Thursday.
        let day = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(time.milliseconds / 86_400_000 % 7)]
        return "\(day), \(parts[2]) \(month) \(parts[0]) \(parts[3]) GMT"
    }
}
