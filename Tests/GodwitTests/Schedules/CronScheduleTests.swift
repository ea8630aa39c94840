import Foundation
import GodwitCore
import Testing

@testable import Godwit

@Suite("Due times of crontab schedules")
struct CronScheduleTests {
    private func schedule(_ text: String, _ zone: String) throws -> CronSchedule {
        CronSchedule(try CronExpression(text), in: try #require(ZoneDatabase.system.clock(zone)))
    }

    private func due(_ text: String, _ zone: String, after start: String, count: Int) throws -> [String] {
        let schedule = try schedule(text, zone)
        var time = try #require(Timestamp(rfc3339: start))
        return try (0..<count).map { _ in
            time = try #require(schedule.next(after: time))
            return time.description
        }
    }

    @Test("a fixed hour that is skipped is due at the first moment after, once")
    func skipped() throws {
        let times = try due("0,30 2 * * *", "Europe/Berlin", after: "2026-03-28T12:00:00Z", count: 3)
        #expect(times == ["2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z", "2026-03-30T00:30:00.000Z"])
    }

    @Test("a fixed hour that comes twice is due the first time")
    func repeated() throws {
        let times = try due("30 2 * * *", "Europe/Berlin", after: "2026-10-24T12:00:00Z", count: 2)
        #expect(times == ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"])
        // Asked in the midst of the repeated hour, it is not due again in it.
        #expect(try due("30 2 * * *", "Europe/Berlin", after: "2026-10-25T01:10:00Z", count: 1) == ["2026-10-26T01:30:00.000Z"])
    }

    @Test("an expression for every hour follows the clock on the wall")
    func everyHour() throws {
        let spring = try due("30 * * * *", "Europe/Berlin", after: "2026-03-29T00:00:00Z", count: 2)
        #expect(spring == ["2026-03-29T00:30:00.000Z", "2026-03-29T01:30:00.000Z"])
        let autumn = try due("30 * * * *", "Europe/Berlin", after: "2026-10-25T00:00:00Z", count: 3)
        #expect(autumn == ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z", "2026-10-25T02:30:00.000Z"])
    }

    @Test("a day that a zone skipped is due when the next begins")
    func skippedDay() throws {
        // Samoa went from 2011-12-29 24:00 (-10:00) to 2011-12-31 00:00 (+14:00).
        #expect(try due("15 9 30 12 *", "Pacific/Apia", after: "2011-12-20T00:00:00Z", count: 1) == ["2011-12-30T10:00:00.000Z"])
    }

    @Test("a due time is after the time that it was asked for, to the millisecond")
    func strictlyAfter() throws {
        #expect(try due("* * * * *", "UTC", after: "2026-01-01T00:00:00Z", count: 1) == ["2026-01-01T00:01:00.000Z"])
        #expect(try due("* * * * *", "UTC", after: "2025-12-31T23:59:59.999Z", count: 1) == ["2026-01-01T00:00:00.000Z"])
    }

    @Test("the last due time is the latest one, however long ago the first was missed")
    func last() throws {
        let times = DueTimes.cron(try schedule("*/5 * * * *", "Europe/Berlin"))
        let start = try #require(Timestamp(rfc3339: "1996-05-01T00:00:00Z")), end = try #require(Timestamp(rfc3339: "2026-05-01T00:04:59Z"))
        #expect(times.last(after: start, notAfter: end)?.description == "2026-05-01T00:00:00.000Z")
        #expect(times.last(after: end, notAfter: end) == nil)
        let yearly = DueTimes.cron(try schedule("@yearly", "Asia/Tokyo"))
        #expect(yearly.last(after: start, notAfter: end)?.description == "2025-12-31T15:00:00.000Z")
        let interval = DueTimes.interval(60_000)
        #expect(interval.last(after: start, notAfter: end)?.description == "2026-05-01T00:04:00.000Z")
        #expect(interval.next(after: end)?.description == "2026-05-01T00:05:00.000Z")
    }

    @Test("due times are those that a minute-by-minute search finds, in many zones and years, around every change of the clocks")
    func againstSearch() throws {
        var random = SplitMix(seed: 20_261_124)
        for name in Self.zones {
            let zone = try #require(TimeZone(identifier: name)), clock = try #require(ZoneDatabase.system.clock(name))
            for _ in 0..<Self.windowsPerZone {
                let start = Self.windowStart(zone, &random)
                let text = Self.expression(&random)
                let schedule = CronSchedule(try CronExpression(text), in: clock)
                let expected = Self.search(try CronExpression(text), zone, from: start, minutes: Self.windowMinutes)
                let end = Timestamp(milliseconds: (start + Int64(Self.windowMinutes) * 60) * 1_000)
                var found: [Int64] = []
                var time = Timestamp(milliseconds: start * 1_000)
                while let next = schedule.next(after: time), next < end {
                    found.append(next.milliseconds / 1_000)
                    time = next
                }
                #expect(found == expected, "\(text) in \(name) from \(Timestamp(milliseconds: start * 1_000))")
                // Asked at any moment, it answers the first that comes after.
                for minute in stride(from: Int64.random(in: 0..<17, using: &random), to: Int64(Self.windowMinutes), by: 17) {
                    let moment = start + minute * 60 + Int64.random(in: 0..<60, using: &random)
                    let next = schedule.next(after: Timestamp(milliseconds: moment * 1_000))
                    let first = expected.first { $0 > moment }
                    if let first { #expect(next?.milliseconds == first * 1_000, "\(text) in \(name) at \(moment)") }
                }
            }
        }
    }

    private static let windowMinutes = 3 * 1_440
    private static let windowsPerZone = 8
    private static let zones = [
        "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Los_Angeles", "America/St_Johns",
        "America/Sao_Paulo", "America/Havana", "America/Santiago", "Atlantic/Azores", "Africa/Cairo", "Africa/Casablanca", "Asia/Kolkata",
        "Asia/Kathmandu", "Asia/Tehran", "Asia/Beirut", "Asia/Gaza", "Asia/Pyongyang", "Australia/Lord_Howe", "Australia/Adelaide",
        "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "Antarctica/Troll", "America/Caracas",
    ]

    /// Three times out of four shortly before a change of the clocks between 1975 and 2040.
    private static func windowStart(_ zone: TimeZone, _ random: inout SplitMix) -> Int64 {
        let moment = Int64.random(in: 157_766_400...2_208_988_800, using: &random) / 60 * 60
        guard Int.random(in: 0..<4, using: &random) > 0,
            let change = zone.nextDaylightSavingTimeTransition(after: Date(timeIntervalSince1970: Double(moment)))
        else { return moment }
        return Int64(change.timeIntervalSince1970) / 60 * 60 - Int64.random(in: 0...2_000, using: &random) * 60
    }

    private static func expression(_ random: inout SplitMix) -> String {
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "*" }
        let minute = pick(["*", "0", "30", "*/5", "*/20", "0,15,45", "17", "59", "10-50/10"])
        let hour = pick(["*", "*", "*/2", "0", "1", "2", "3", "23", "0-23", "1-3", "0,12", "0-4/2", "22-23"])
        let dayOfMonth = pick(["*", "*", "*", "1-31/2", "*/2", "28-31"])
        let dayOfWeek = pick(["*", "*", "*", "sun", "mon-fri", "*/3"])
        return "\(minute) \(hour) \(dayOfMonth) * \(dayOfWeek)"
    }

    /// The definition, minute by minute: what the wall shows, what it skipped, and what it shows a second time.
    private static func search(_ cron: CronExpression, _ zone: TimeZone, from start: Int64, minutes: Int) -> [Int64] {
        func wall(_ time: Int64) -> Int64 { (time + Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time))))) / 60 }
        let isEveryHour = cron.followsWallClock
        let lead: Int64 = 1_500
        var highest = wall(start - lead * 60 - 60)
        var previous = highest
        var found: [Int64] = []
        for step in -lead..<Int64(minutes) {
            let time = start + step * 60
            let now = wall(time)
            var isDue: Bool
            if isEveryHour {
                isDue = cron.matches(WallTime(minutes: now))
            } else {
                isDue = now > highest && cron.matches(WallTime(minutes: now))
                if now > previous + 1 {
                    isDue = isDue || (max(previous, highest) + 1..<now).contains { cron.matches(WallTime(minutes: $0)) }
                }
            }
            if isDue, step > 0 { found.append(time) }
            highest = max(highest, now)
            previous = now
        }
        return found
    }
}

/// Random numbers that a seed repeats.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
