/// A minute as a clock on the wall shows it: minutes since 1970-01-01 00:00 of that clock, no zone attached.
struct WallTime: Hashable, Comparable, Sendable {
    var minutes: Int64

    init(minutes: Int64) { self.minutes = minutes }

    init(_ date: CivilDate, hour: Int, minute: Int) { minutes = (date.daysSince1970 * 24 + Int64(hour)) * 60 + Int64(minute) }

    static func < (a: WallTime, b: WallTime) -> Bool { a.minutes < b.minutes }

    var day: Int64 { minutes.flooredDivision(by: 1_440).quotient }
    var date: CivilDate { CivilDate(daysSince1970: day) }
    var hour: Int { Int(minutes.flooredDivision(by: 1_440).remainder / 60) }
    var minute: Int { Int(minutes.flooredDivision(by: 60).remainder) }

    /// Another time of the same day.
    func at(hour: Int, minute: Int) -> WallTime { WallTime(minutes: day * 1_440 + Int64(hour * 60 + minute)) }
}

/// A day of the proleptic Gregorian calendar.
///
/// The conversions are Howard Hinnant's, "chrono-Compatible Low-Level Date Algorithms".
struct CivilDate: Hashable, Sendable {
    var year: Int
    var month: Int
    var day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSince1970 days: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int64 {
        let (era, yearOfEra) = Int64(month <= 2 ? year - 1 : year).flooredDivision(by: 400)
        let dayOfYear = (153 * Int64(month > 2 ? month - 3 : month + 9) + 2) / 5 + Int64(day) - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// 0 for Sunday.
    var weekday: Int { Int((daysSince1970 + 4).flooredDivision(by: 7).remainder) }
}

extension Int64 {
    /// The quotient rounded down, and a remainder that is never negative.
    func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
