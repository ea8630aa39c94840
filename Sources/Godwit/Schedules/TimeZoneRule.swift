import GodwitCore

/// What a time zone does after the last change that its file lists: the text at the file's end, a `TZ` value as POSIX defines it and RFC 9636
/// (section 3.3) extends it, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
struct TimeZoneRule: Sendable, Equatable {
    /// When a change comes in each year.
    struct Change: Sendable, Equatable {
        enum Day: Sendable, Equatable {
            /// 1 to 365; February 29 is never counted.
            case julian(Int)
            /// 0 to 365, with February 29.
            case ofYear(Int)
            /// The given weekday (0 for Sunday) for the `week`-th time in the month; 5 for the last.
            case weekday(month: Int, week: Int, weekday: Int)
        }

        var day: Day
        /// Seconds after midnight of the wall clock before the change; it may be on another day.
        var time: Int64
    }

    struct Summer: Sendable, Equatable {
        var ahead: Int64
        var start: Change
        var end: Change
    }

    /// How far ahead of UTC the clocks are, in seconds.
    var ahead: Int64
    var summer: Summer?

    /// How far ahead of UTC the clocks are at a time in seconds since 1970.
    func offset(at time: Int64) -> Int64 {
        guard let summer else { return ahead }
        let year = CivilDate(daysSince1970: (time + ahead).flooredDivision(by: 86_400).quotient).year
        var latest: (time: Int64, ahead: Int64)?
        for year in year - 1...year + 1 {
            // Where an end and a start fall together, as they do for a summer that lasts all year, the start counts.
            let ends = (time: summer.end.wallTime(in: year) - summer.ahead, ahead: ahead)
            let starts = (time: summer.start.wallTime(in: year) - ahead, ahead: summer.ahead)
            for change in [ends, starts] where change.time <= time && change.time >= latest?.time ?? .min { latest = change }
        }
        return latest?.ahead ?? ahead
    }
}

extension TimeZoneRule.Change {
    /// Seconds since 1970 as the clock on the wall shows them before the change.
    func wallTime(in year: Int) -> Int64 { daysSince1970(in: year) * 86_400 + time }

    private func daysSince1970(in year: Int) -> Int64 {
        let first = CivilDate(year: year, month: 1, day: 1).daysSince1970
        switch day {
        case .ofYear(let number): return first + Int64(number)
        case .julian(let number):
            let isLeap = CivilDate(year: year, month: 3, day: 1).daysSince1970 - first == 60
            return first + Int64(number - (isLeap && number >= 60 ? 0 : 1))
        case .weekday(let month, let week, let weekday):
            let start = CivilDate(year: year, month: month, day: 1)
            let next = month == 12 ? CivilDate(year: year + 1, month: 1, day: 1) : CivilDate(year: year, month: month + 1, day: 1)
            var day = start.daysSince1970 + Int64((weekday - start.weekday + 7) % 7 + (week - 1) * 7)
            while day >= next.daysSince1970 { day -= 7 }
            return day
        }
    }
}

extension TimeZoneRule {
    /// - Returns: nil for text that is no rule.
    init?(_ text: some StringProtocol) {
        var parser = Parser(text: Array(text.utf8)[...])
        guard let rule = parser.rule(), parser.text.isEmpty else { return nil }
        self = rule
    }

    private struct Parser {
        var text: ArraySlice<UInt8>

        mutating func rule() -> TimeZoneRule? {
            guard name(), let west = offset(hours: 24) else { return nil }
            guard !text.isEmpty else { return TimeZoneRule(ahead: -west) }
            guard name() else { return nil }
            var ahead = -west + 3_600
            if text.first != UInt8(ascii: ",") {
                guard let west = offset(hours: 24) else { return nil }
                ahead = -west
            }
            guard let start = change(), let end = change() else { return nil }
            return TimeZoneRule(ahead: -west, summer: Summer(ahead: ahead, start: start, end: end))
        }

        /// At least three letters, or in angle brackets also digits and signs. What it says is of no interest here.
        private mutating func name() -> Bool {
            if take("<") {
                guard let end = text.firstIndex(of: UInt8(ascii: ">")) else { return false }
                text = text[(end + 1)...]
                return true
            }
            let letters = text.prefix { (0x41...0x5a).contains($0 & 0xdf) }
            text = text[letters.endIndex...]
            return letters.count >= 3
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        private mutating func offset(hours: Int64) -> Int64? {
            let sign: Int64 = take("-") ? -1 : 1
            if sign > 0 { _ = take("+") }
            guard var seconds = number(0...hours).map({ $0 * 3_600 }) else { return nil }
            for unit: Int64 in [60, 1] where take(":") {
                guard let part = number(0...59) else { return nil }
                seconds += part * unit
            }
            return sign * seconds
        }

        /// `,Mm.w.d`, `,Jn` or `,n`, and `/time` if it is not 2 o'clock.
        private mutating func change() -> Change? {
            guard take(",") else { return nil }
            let day: Change.Day
            if take("M") {
                guard let month = number(1...12), take("."), let week = number(1...5), take("."), let weekday = number(0...6) else {
                    return nil
                }
                day = .weekday(month: Int(month), week: Int(week), weekday: Int(weekday))
            } else if take("J") {
                guard let number = number(1...365) else { return nil }
                day = .julian(Int(number))
            } else {
                guard let number = number(0...365) else { return nil }
                day = .ofYear(Int(number))
            }
            guard take("/") else { return Change(day: day, time: 7_200) }
            return offset(hours: 167).map { Change(day: day, time: $0) }
        }

        private mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard text.first == UInt8(ascii: character) else { return false }
            text.removeFirst()
            return true
        }

        private mutating func number(_ range: ClosedRange<Int64>) -> Int64? {
            let digits = text.prefix { (0x30...0x39).contains($0) }
            guard (1...3).contains(digits.count) else { return nil }
            text = text[digits.endIndex...]
            let value = digits.reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
            return range.contains(value) ? value : nil
        }
    }
}
