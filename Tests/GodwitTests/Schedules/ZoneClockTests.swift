import Foundation
import GodwitCore
import Testing

@testable import Godwit

@Suite("Time zones out of the machine's database")
struct ZoneClockTests {
    @Test("every zone that Foundation knows has the clocks that Foundation says, from 1975 to 2037")
    func againstFoundation() throws {
        var random = SplitMix(seed: 20_261_201)
        var compared = 0, different: [String] = []
        for name in TimeZone.knownTimeZoneIdentifiers {
            let zone = try #require(TimeZone(identifier: name))
            guard let clock = ZoneDatabase.system.clock(name) else { continue }
            compared += 1
            var times = (0..<200).map { _ in Int64.random(in: 157_766_400...2_145_916_800, using: &random) }
            // Around each change, to the second.
            var change = Date(timeIntervalSince1970: 157_766_400)
            while let next = zone.nextDaylightSavingTimeTransition(after: change), next.timeIntervalSince1970 < 2_145_916_800 {
                let second = Int64(next.timeIntervalSince1970)
                times += [second - 1, second]
                change = next
            }
            let isSame = times.allSatisfy {
                clock.offset(at: $0) == Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double($0))))
            }
            if !isSame { different.append(name) }
        }
        #expect(compared > 350)
        // The two databases are rarely of one version, and a few governments change their minds each year.
        #expect(different.count <= 12, "\(different)")
        // Those of every kind whose rules have long stood still: half an hour of summer, a winter that is behind, halves and quarters of an hour, a leap over the date line.
        let settled: Set = [
            "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "Australia/Sydney", "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Apia", "Pacific/Chatham",
        ]
        #expect(settled.isDisjoint(with: different))
    }

    @Test(
        "the rule at the end of a file counts for the years after its last change",
        arguments: [
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2096-03-25T00:59:59Z", 3_600), ("CET-1CEST,M3.5.0,M10.5.0/3", "2096-03-25T01:00:00Z", 7_200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2096-10-28T00:59:59Z", 7_200), ("CET-1CEST,M3.5.0,M10.5.0/3", "2096-10-28T01:00:00Z", 3_600),
            // South of the equator summer holds over the new year.
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2096-01-01T00:00:00Z", 39_600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2096-07-01T00:00:00Z", 36_000),
            // Signs in names, negative times, half an hour, and a summer that is behind winter (Ireland's).
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2096-03-25T00:59:59Z", -7_200),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2096-03-25T01:00:00Z", -3_600),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2096-01-15T00:00:00Z", 39_600),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2096-12-24T00:00:00Z", 0),
            // Days of the year, with February 29 and without; a summer that never ends.
            ("AAA0BBB,J60/0,J61/0", "2096-03-01T12:00:00Z", 3_600), ("AAA0BBB,59/0,60/0", "2096-02-29T12:00:00Z", 3_600),
            ("XXX3EDT4,0/0,J365/23", "2096-12-31T23:59:59Z", -14_400), ("XXX3EDT4,0/0,J365/23", "2097-01-01T03:00:00Z", -14_400),
            ("UTC0", "2096-01-01T00:00:00Z", 0),
        ]
    )
    func rules(rule: String, time: String, ahead: Int64) throws {
        let seconds = try #require(Timestamp(rfc3339: time)).milliseconds / 1_000
        // XXX3EDT4: four hours *behind*, for the sign is POSIX's.
        #expect(try #require(TimeZoneRule(rule)).offset(at: seconds) == ahead)
    }

    @Test(
        "text that is no rule is refused",
        arguments: [
            "", "C-1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,J0,J365",
            "CET-1CEST,M3.5.0/168,M10.5.0", "<CET-1", "CET-25", "CET-1CEST,M3.5.0,M10.5.0x", "CET99999999999999999999",
        ]
    )
    func badRules(rule: String) { #expect(TimeZoneRule(rule) == nil) }

    @Test("a name that leads out of the database, or to no zone, is unknown")
    func names() throws {
        let zones = ZoneDatabase.system
        for name in [
            "", "/etc/passwd", "../zoneinfo/Europe/Berlin", "Europe/../Europe/Berlin", "Europe//Berlin", "Europe", "Mars/Olympus",
            "tzdata.zi", "Europe/Berlin\0", ".", "zone.tab",
        ] {
            #expect(zones.clock(name) == nil, "\(name)")
        }
        #expect(ZoneDatabase(folders: []).clock("UTC") == .utc)
        #expect(ZoneDatabase(folders: ["/nonexistent"]).clock("Europe/Berlin") == nil)
    }

    @Test("a file that is cut anywhere, or has a byte changed, is refused or read, and never more than that")
    func damaged() throws {
        let whole = try #require(FileManager.default.contents(atPath: "/usr/share/zoneinfo/Europe/Berlin")).map { $0 }
        let clock = try #require(ZoneClock(file: whole))
        for length in 0..<whole.count { #expect(ZoneClock(file: Array(whole[..<length])) == nil, "cut to \(length) bytes") }
        let nightly = try CronExpression("30 2 * * *")
        var random = SplitMix(seed: 7)
        for index in whole.indices {
            var changed = whole
            changed[index] = UInt8.random(in: .min ... .max, using: &random)
            guard let clock = ZoneClock(file: changed) else { continue }
            // Whatever it says: a time that comes later, and is a minute's begin somewhere.
            for start in [Int64.min / 4_000, -2_000_000_000, 1_800_000_000, 4_000_000_000] {
                #expect(abs(clock.offset(at: start)) <= 26 * 3_600)
            }
            let start = Timestamp(milliseconds: 1_800_000_000_000)
            let due = CronSchedule(nightly, in: clock).next(after: start)
            #expect(due.map { $0 > start && $0 < start + .seconds(8 * 86_400) } ?? false, "byte \(index)")
        }
        #expect(clock.offset(at: 1_800_000_000) == 3_600)
    }

    @Test("a file with leap seconds is refused: its times are not POSIX times")
    func leapSeconds() throws {
        // Version 1, one leap second, one type of UTC.
        var file = Array("TZif".utf8) + [UInt8](repeating: 0, count: 16)
        for count: UInt8 in [0, 0, 1, 0, 1, 4] { file += [0, 0, 0, count] }
        file += [0, 0, 0, 0, 0, 0] + Array("UTC\0".utf8) + [0, 0, 0, 1, 0, 0, 0, 1]
        #expect(ZoneClock(file: file) == nil)
        // The same without it is a good one.
        file.replaceSubrange(28..<32, with: [0, 0, 0, 0])
        file.removeLast(8)
        #expect(ZoneClock(file: file) != nil)
    }
}
