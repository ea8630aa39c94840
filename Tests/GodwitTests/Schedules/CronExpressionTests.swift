import GodwitCore
import Testing

@testable import Godwit

@Suite("Crontab expressions")
struct CronExpressionTests {
    private func values(_ bits: UInt64) -> [Int] { (0..<64).filter { bits.contains(bit: $0) } }

    @Test("numbers, ranges, steps, lists and names are read")
    func reads() throws {
        let cron = try CronExpression("1,5-7,*/30 8-18/5 1,15 jan-Mar,DEC mon-fri")
        #expect(values(cron.minutes) == [0, 1, 5, 6, 7, 30])
        #expect(values(cron.hours) == [8, 13, 18])
        #expect(values(cron.daysOfMonth) == [1, 15])
        #expect(values(cron.months) == [1, 2, 3, 12])
        #expect(values(cron.daysOfWeek) == [1, 2, 3, 4, 5])
    }

    @Test(
        "Sunday is 0 and 7, also at the end of a range",
        arguments: [("0", [0]), ("7", [0]), ("5-7", [0, 5, 6]), ("sat-sun", [0, 6]), ("*/2", [0, 2, 4, 6])]
    )
    func sundays(_ field: String, _ days: [Int]) throws {
        #expect(values(try CronExpression("0 0 * * \(field)").daysOfWeek) == days)
    }

    @Test(
        "@ words stand for expressions",
        arguments: [
            ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"), ("@weekly", "0 0 * * 0"),
            ("@daily", "0 0 * * *"), (" @Daily\t", "0 0 * * *"), ("5-5/2 * * * *", "5 * * * *"),
            ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *"),
        ]
    )
    func words(_ word: String, _ expression: String) throws {
        #expect(try CronExpression(word) == CronExpression(expression))
    }

    @Test("when both kinds of day are restricted one is enough, with a star in front both must match")
    func days() throws {
        // 2026-11-13 is a Friday, 2026-11-20 as well, 2026-11-14 is a Saturday.
        func matches(_ text: String, _ day: Int) throws -> Bool {
            try CronExpression(text).matches(WallTime(CivilDate(year: 2026, month: 11, day: day), hour: 0, minute: 0))
        }
        #expect(try matches("0 0 13 * fri", 13))
        #expect(try matches("0 0 13 * fri", 20))
        #expect(try !matches("0 0 13 * fri", 14))
        #expect(try matches("0 0 14 * fri", 14))
        #expect(try matches("0 0 */13 * sat", 14))
        #expect(try !matches("0 0 */13 * fri", 13))
        #expect(try !matches("0 0 13 * *", 14))
        #expect(try !matches("0 0 * * fri", 14))
    }

    @Test(
        "what is wrong is said with the field's name",
        arguments: [
            ("60 * * * *", "minute", "60 is not within 0 to 59"), ("* 24 * * *", "hour", "24 is not within"),
            ("* * 0 * *", "day of month", "0 is not within"), ("* * * 13 *", "month", "13 is not within"),
            ("* * * * 8", "day of week", "8 is"),
            ("* * * foo *", "month", "\"foo\" is not a number or a name"), ("a * * * *", "minute", "\"a\" is not a number"),
            ("*/0 * * * *", "minute", "the step \"0\""), ("*/99 * * * *", "minute", "the step \"99\""),
            ("*/+5 * * * *", "minute", "the step \"+5\""),
            ("*/x * * * *", "minute", "the step \"x\""),
            ("5/10 * * * *", "minute", "5-59/10"), ("9-5 * * * *", "minute", "ends before it begins"),
            ("1,,2 * * * *", "minute", "\"\" is not"),
            ("-1 * * * *", "minute", "\"\" is not"), ("1- * * * *", "minute", "\"\" is not"), ("١ * * * *", "minute", "is not a number"),
            ("* * ? * *", "day of month", "\"?\" is not"), ("99999999999999999999 * * * *", "minute", "is not a number"),
        ]
    )
    func errors(_ text: String, _ field: String, _ reason: String) {
        let error = #expect(throws: CronExpression.ParseError.self) { try CronExpression(text) }
        #expect(error?.description.contains("the field \(field) ") == true, "\(error?.description ?? "")")
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test(
        "too few and too many fields, and unknown words, are refused",
        arguments: ["", "* * * *", "* * * * * *", "@fortnightly", "@reboot", "hourly"]
    )
    func shapes(_ text: String) {
        #expect(throws: CronExpression.ParseError.self) { try CronExpression(text) }
    }

    @Test("a day that no month has is refused", arguments: ["0 0 30 2 *", "0 0 31 4,6,9,11 *"])
    func never(_ text: String) {
        let error = #expect(throws: CronExpression.ParseError.self) { try CronExpression(text) }
        #expect(error?.description.contains("never comes") == true)
    }

    @Test("a leap day is found, also across 2100")
    func leapDay() throws {
        let cron = try CronExpression("0 0 29 2 *")
        let match = cron.nextMatch(from: WallTime(CivilDate(year: 2096, month: 3, day: 1), hour: 0, minute: 0))
        #expect(match?.date == CivilDate(year: 2104, month: 2, day: 29))
    }
}
