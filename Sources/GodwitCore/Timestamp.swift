/// A point of wall-clock time in whole milliseconds since 1970-01-01T00:00:00Z.
package struct Timestamp: Hashable, Sendable, Comparable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }
    /// The sum, or the first or last time that can be said.
    package static func + (time: Timestamp, span: Duration) -> Timestamp {
        let (sum, overflow) = time.milliseconds.addingReportingOverflow(span.inMilliseconds)
        return Timestamp(milliseconds: overflow ? (span < .zero ? .min : .max) : sum)
    }
    package static func - (a: Timestamp, b: Timestamp) -> Duration {
        .milliseconds(a.milliseconds) - .milliseconds(b.milliseconds)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC with milliseconds, such as `2026-11-24T22:07:43.120Z`.
    package var description: String {
        let (days, rest) = milliseconds.flooredDivision(by: 86_400_000)
        let civil = CivilDate(daysSince1970: days)
        let date = "\(Int64(civil.year).padded(4))-\(Int64(civil.month).padded(2))-\(Int64(civil.day).padded(2))"
        let time = "\((rest / 3_600_000).padded(2)):\((rest / 60_000 % 60).padded(2)):\((rest / 1_000 % 60).padded(2))"
        return "\(date)T\(time).\((rest % 1_000).padded(3))Z"
    }
}

extension Timestamp {
    /// Reads an RFC 3339 date-time: any offset, any number of fraction digits (those past the millisecond are dropped); nil for all else.
    package init?(rfc3339 text: some StringProtocol) {
        var scanner = DigitScanner(text)
        guard let year = scanner.digits(4), scanner.take("-"), let month = scanner.digits(2), scanner.take("-"),
            let day = scanner.digits(2), scanner.take("T") || scanner.take("t") || scanner.take(" "), let hour = scanner.digits(2),
            scanner.take(":"), let minute = scanner.digits(2), scanner.take(":"), let second = scanner.digits(2)
        else { return nil }
        guard (1...12).contains(month), (1...Self.days(of: month, in: year)).contains(day), hour < 24, minute < 60, second <= 60 else {
            return nil
        }
        var fraction: Int64 = 0
        if scanner.take(".") {
            guard let value = scanner.fraction() else { return nil }
            fraction = value
        }
        var offset: Int64 = 0
        if !(scanner.take("Z") || scanner.take("z")) {
            let sign: Int64 = scanner.take("-") ? -1 : 1
            guard sign < 0 || scanner.take("+"), let hours = scanner.digits(2), scanner.take(":"), let minutes = scanner.digits(2),
                hours < 24, minutes < 60
            else { return nil }
            offset = sign * (hours * 60 + minutes) * 60_000
        }
        guard scanner.isAtEnd else { return nil }
        let days = CivilDate(year: Int(year), month: Int(month), day: Int(day)).daysSince1970
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
        milliseconds = seconds * 1_000 + fraction - offset
    }

    private static func days(of month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

private struct DigitScanner {
    private var rest: Substring.UTF8View

    init(_ text: some StringProtocol) { rest = Substring(text).utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Character) -> Bool {
        guard rest.first == character.asciiValue else { return false }
        rest.removeFirst()
        return true
    }

    mutating func digits(_ count: Int) -> Int64? {
        let part = rest.prefix(count)
        guard part.count == count, part.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest.removeFirst(count)
        return part.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// The digits after the point, as milliseconds.
    mutating func fraction() -> Int64? {
        let part = rest.prefix(while: { (0x30...0x39).contains($0) })
        guard !part.isEmpty, part.count <= 18 else { return nil }
        rest.removeFirst(part.count)
        let padded = part.prefix(3).reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
        return part.count >= 3 ? padded : padded * (part.count == 2 ? 10 : 100)
    }
}

extension Int64 {
    fileprivate func padded(_ width: Int) -> String {
        let text = String(self)
        return String(repeating: "0", count: Swift.max(0, width - text.count)) + text
    }
}
