import GodwitCore

/// For fuzzers: reads whatever bytes come as a crontab expression.
package enum CrontabDecoding {
    package static func expression(_ input: UnsafeRawBufferPointer) {
        guard let expression = try? CronExpression(String(decoding: input, as: UTF8.self)) else { return }
        let start = WallTime(CivilDate(year: 2024, month: 2, day: 28), hour: 23, minute: 59)
        guard let first = expression.nextMatch(from: start) else { preconditionFailure("what is taken comes within 40 years") }
        precondition(first >= start && expression.matches(first), "a time that is found is one of those that were asked for")
    }
}
