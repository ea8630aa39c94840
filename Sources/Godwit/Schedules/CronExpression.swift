import GodwitCore

/// A crontab expression: sets of minutes, hours, days and months as bits.
///
/// The grammar is that of Vixie's cron, crontab(5): five fields of `*`, numbers, names, ranges, steps and lists, or one of the `@` words.
struct CronExpression: Sendable, Hashable {
    /// What is wrong with an expression, and in which of its fields.
    struct ParseError: Error, Hashable, CustomStringConvertible {
        let description: String
    }

    let minutes: UInt64
    let hours: UInt64
    let daysOfMonth: UInt64
    let months: UInt64
    /// 0 is Sunday.
    let daysOfWeek: UInt64
    /// Whether both kinds of day must match: so when one of their fields begins with `*`. Otherwise either is enough.
    let needsBothDays: Bool
    /// Whether it follows the clock on the wall where that is set back or forward: so when it is for every hour, or every n-th.
    let followsWallClock: Bool

    /// - Throws: an error whose text names the field and says what it may be.
    init(_ text: String) throws(ParseError) {
        let expanded = try Self.expand(text)
        let fields = expanded.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard fields.count == 5 else {
            throw ParseError(
                description: "\"\(text.prefix(100))\" has \(fields.count) fields: a crontab expression has five "
                    + "(minute, hour, day of month, month, day of week), or is one of \(Self.words.map(\.key).sorted().joined(separator: ", "))"
            )
        }
        minutes = try CronField.minute.parse(fields[0])
        hours = try CronField.hour.parse(fields[1])
        daysOfMonth = try CronField.dayOfMonth.parse(fields[2])
        months = try CronField.month.parse(fields[3])
        let weekdays = try CronField.dayOfWeek.parse(fields[4])
        daysOfWeek = (weekdays | weekdays >> 7) & 0x7f
        needsBothDays = fields[2].hasPrefix("*") || fields[4].hasPrefix("*")
        followsWallClock = fields[1].hasPrefix("*") || hours == (1 << 24) - 1
        guard nextMatch(from: WallTime(CivilDate(year: 2000, month: 1, day: 1), hour: 0, minute: 0)) != nil else {
            throw ParseError(description: "\"\(text.prefix(100))\" never comes: none of its months has such a day")
        }
    }

    private static let words = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]

    private static func expand(_ text: String) throws(ParseError) -> String {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard let word = words.first, word.hasPrefix("@") else { return text }
        guard words.count == 1, let expression = Self.words[word.lowercased()] else {
            throw ParseError(
                description: "\"\(text.prefix(100))\" is no schedule: known are \(Self.words.map(\.key).sorted().joined(separator: ", "))"
            )
        }
        return expression
    }
}

extension CronExpression {
    /// The days looked at before an expression is taken never to come: 29 February on a given weekday may be 40 years away (around 2100).
    private static let horizon = 41 * 366

    /// The first wall-clock minute that matches, not before the given one; nil when there is none.
    func nextMatch(from start: WallTime) -> WallTime? {
        var time = start
        for _ in 0...Self.horizon {
            if isDay(time.date), let match = nextMatch(onDayOf: time) { return match }
            time = WallTime(minutes: (time.day + 1) * 1_440)
        }
        return nil
    }

    func matches(_ time: WallTime) -> Bool {
        hours.contains(bit: time.hour) && minutes.contains(bit: time.minute) && isDay(time.date)
    }

    private func isDay(_ date: CivilDate) -> Bool {
        guard months.contains(bit: date.month) else { return false }
        let isDayOfMonth = daysOfMonth.contains(bit: date.day), isDayOfWeek = daysOfWeek.contains(bit: date.weekday)
        return needsBothDays ? isDayOfMonth && isDayOfWeek : isDayOfMonth || isDayOfWeek
    }

    private func nextMatch(onDayOf time: WallTime) -> WallTime? {
        if hours.contains(bit: time.hour), let minute = minutes.firstBit(from: time.minute) {
            return time.at(hour: time.hour, minute: minute)
        }
        guard let hour = hours.firstBit(from: time.hour + 1), let minute = minutes.firstBit(from: 0) else { return nil }
        return time.at(hour: hour, minute: minute)
    }
}

extension UInt64 {
    func contains(bit: Int) -> Bool { self & (1 << UInt64(bit)) != 0 }

    /// The lowest bit that is set, not below the given one.
    func firstBit(from bit: Int) -> Int? {
        let rest = bit < 64 ? self & (UInt64.max << UInt64(bit)) : 0
        return rest == 0 ? nil : rest.trailingZeroBitCount
    }
}
