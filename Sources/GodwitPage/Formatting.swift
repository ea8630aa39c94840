import GodwitCore

/// How numbers, times and sizes are written on the page: short, for people, in English.
enum Formatting {
    /// `1,234,567`
    static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var groups: [Substring] = []
        var rest = digits[...]
        while rest.count > 3 {
            groups.insert(rest.suffix(3), at: 0)
            rest.removeLast(3)
        }
        groups.insert(rest, at: 0)
        return (number < 0 ? "−" : "") + groups.joined(separator: ",")
    }

    /// `1 job`, `2 jobs`
    static func count(_ number: Int, _ thing: String) -> String { "\(count(number)) \(thing)\(number == 1 ? "" : "s")" }

    /// A holder's name; that of a token for some queues alone stands before it.
    static func holder(_ name: String) -> String { name.replacing("\u{1F}", with: "/") }

    /// So many a second: `0`, `0.3`, `12`, `3,400`.
    static func rate(_ rate: Double) -> String {
        guard rate > 0 else { return "0" }
        if rate < 0.1 { return "<0.1" }
        if rate < 10 { return "\((rate * 10).rounded() / 10)".replacingSuffix(".0", with: "") }
        return count(Int(rate.rounded()))
    }

    /// `12 s`, `3 min`, `5 h`, `4 d`; what is shorter than a second is `0 s`.
    static func span(_ span: Duration) -> String {
        let seconds = max(0, span.inMilliseconds / 1_000)
        return switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7_200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3_600) h"
        default: "\(count(Int(seconds / 86_400))) d"
        }
    }

    /// `3 min ago`, `in 5 h`, `now`.
    static func relative(_ time: Timestamp, to now: Timestamp) -> String {
        let distance = now - time
        if distance >= .seconds(1) { return "\(span(distance)) ago" }
        return distance <= .seconds(-1) ? "in \(span(time - now))" : "now"
    }

    /// `17 B`, `1.5 KiB`
    static func bytes(_ bytes: Int) -> String {
        guard bytes >= 1_024 else { return "\(count(bytes)) B" }
        var value = Double(bytes)
        var unit = ""
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1_024 {
            value /= 1_024
            unit = next
        }
        let text = value < 10 ? "\((value * 10).rounded() / 10)".replacingSuffix(".0", with: "") : count(Int(value.rounded()))
        return "\(text) \(unit)"
    }

    /// `2026-12-01 09:00:00 UTC`
    static func clock(_ time: Timestamp) -> String {
        let text = time.description
        guard let end = text.firstIndex(where: { $0 == "." || $0 == "Z" }) else { return text }
        return text[..<end].replacing("T", with: " ") + " UTC"
    }

    /// A time for the `time` element: how long ago, and exactly when.
    static func time(_ time: Timestamp?, now: Timestamp) -> any Sendable {
        guard let time else { return false }
        let view: View = ["when": relative(time, to: now), "exactly": time.description, "clock": clock(time)]
        return view
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String, with replacement: String) -> String {
        hasSuffix(suffix) ? dropLast(suffix.count) + replacement : self
    }
}

extension Formatting {
    /// How long something took: `3 ms`, `1.2 s`, `4 min`.
    static func took(_ span: Duration) -> String {
        let milliseconds = max(0, span.inMilliseconds)
        if milliseconds < 1_000 { return "\(milliseconds) ms" }
        return milliseconds < 10_000 ? "\((Double(milliseconds) / 100).rounded() / 10) s" : self.span(span)
    }
}
