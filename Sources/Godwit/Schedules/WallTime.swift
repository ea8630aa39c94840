import GodwitCore

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
