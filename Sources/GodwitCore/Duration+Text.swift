extension Duration {
    /// Whole milliseconds, rounded toward zero; saturated at what an `Int64` holds.
    package var inMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }

    /// Seconds as a floating-point number.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    /// Reads `200ms`, `5s`, `2m`, `1h` or `7d`: a whole number and one unit; nil for all else, negative numbers among it, and for more than
    /// ``Limits/longestDuration``.
    package init?(text: some StringProtocol) {
        let digits = text.prefix(while: { $0.isASCII && $0.isWholeNumber })
        guard !digits.isEmpty, let count = Int64(digits) else { return nil }
        let unit: Int64
        switch text[digits.endIndex...] {
        case "ms": unit = 1
        case "s": unit = 1_000
        case "m": unit = 60_000
        case "h": unit = 3_600_000
        case "d": unit = 86_400_000
        default: return nil
        }
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: unit)
        guard !overflow, .milliseconds(milliseconds) <= Limits.longestDuration else { return nil }
        self = .milliseconds(milliseconds)
    }

    /// The shortest text that `init(text:)` reads back, to the millisecond: `90s`, `2m`, `1500ms`.
    package var text: String {
        let milliseconds = inMilliseconds
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] as [(Int64, String)]
        where milliseconds != 0 && milliseconds % unit == 0 {
            return "\(milliseconds / unit)\(name)"
        }
        return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
    }
}
