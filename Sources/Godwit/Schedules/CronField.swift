/// One of the five fields of a crontab expression.
struct CronField: Sendable {
    let name: String
    let range: ClosedRange<Int>
    /// In order, the first one standing for the range's lower bound.
    let names: [String]

    static let minute = CronField(name: "minute", range: 0...59, names: [])
    static let hour = CronField(name: "hour", range: 0...23, names: [])
    static let dayOfMonth = CronField(name: "day of month", range: 1...31, names: [])
    static let month = CronField(
        name: "month",
        range: 1...12,
        names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
    /// 7 is Sunday, too, so that ranges can end with it.
    static let dayOfWeek = CronField(name: "day of week", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])

    /// - Returns: the field's values as bits.
    func parse(_ text: Substring) throws(CronExpression.ParseError) -> UInt64 {
        var bits: UInt64 = 0
        for item in text.split(separator: ",", omittingEmptySubsequences: false) { bits |= try parse(item: item, of: text) }
        return bits
    }

    private func parse(item: Substring, of text: Substring) throws(CronExpression.ParseError) -> UInt64 {
        let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var values = try span(parts[0], of: text)
        var step = 1
        if parts.count == 2 {
            guard parts[1].allSatisfy({ $0.isASCII && $0.isWholeNumber }), let number = Int(parts[1]), (1...range.count).contains(number)
            else {
                throw wrong(text, "the step \"\(parts[1].prefix(20))\" must be a number from 1 to \(range.count)")
            }
            guard parts[0] == "*" || parts[0].contains("-") else {
                throw wrong(text, "a step needs a range before it: write \"\(parts[0])-\(range.upperBound)/\(number)\"")
            }
            step = number
        }
        // `*` among days of the week is Sunday to Saturday: 7 would be a second Sunday, off the step's beat.
        if parts[0] == "*", self.range.upperBound == 7 { values = 0...6 }
        return stride(from: values.lowerBound, through: values.upperBound, by: step).reduce(0) { $0 | 1 << UInt64($1) }
    }

    private func span(_ text: Substring, of field: Substring) throws(CronExpression.ParseError) -> ClosedRange<Int> {
        if text == "*" { return range }
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let first = try value(ends[0], of: field)
        guard ends.count == 2 else { return first...first }
        var last = try value(ends[1], of: field)
        // `sat-sun` and `5-sun`: the Sunday at the end of the week.
        if range.upperBound == 7, last == 0, first > 0 { last = 7 }
        guard first <= last else { throw wrong(field, "the range \(text) ends before it begins") }
        return first...last
    }

    private func value(_ text: Substring, of field: Substring) throws(CronExpression.ParseError) -> Int {
        if let index = names.firstIndex(of: text.lowercased()) { return range.lowerBound + index }
        guard !text.isEmpty, text.count <= 9, text.allSatisfy({ $0.isASCII && $0.isWholeNumber }), let number = Int(text) else {
            let what = names.isEmpty ? "a number" : "a number or a name (\(names.joined(separator: ", ")))"
            throw wrong(field, "\"\(text.prefix(20))\" is not \(what)")
        }
        guard range.contains(number) else { throw wrong(field, "\(number) is not within \(range.lowerBound) to \(range.upperBound)") }
        return number
    }

    private func wrong(_ field: Substring, _ reason: String) -> CronExpression.ParseError {
        CronExpression.ParseError(description: "the field \(name) \"\(field.prefix(60))\": \(reason)")
    }
}
