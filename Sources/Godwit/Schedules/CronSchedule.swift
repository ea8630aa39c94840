import GodwitCore

/// A crontab expression in a time zone: due times as points of real time.
struct CronSchedule: Sendable {
    let expression: CronExpression
    private let clock: ZoneClock

    init(_ expression: CronExpression, in clock: ZoneClock) {
        self.expression = expression
        self.clock = clock
    }

    /// The first due time after the given time, in whole minutes of the wall clock; nil when there is none within 40 years.
    ///
    /// Real time falls into spans of one offset each. Within a span wall-clock times are searched; at the jump from one to the next,
    /// an expression with fixed hours is due when the jump skips one of its times, and is not due again for times that it repeats.
    func next(after time: Timestamp) -> Timestamp? {
        var now = time.milliseconds.flooredDivision(by: 1_000).quotient
        var ahead = offset(now)
        var from = wall(now + ahead).next
        if !expression.followsWallClock, let jump = jump(after: now - Self.day, notAfter: now), jump.before > jump.after {
            // The times before the jump were on the wall already.
            from = max(from, firstWall(jump.time + jump.before))
        }
        while let match = expression.nextMatch(from: from) {
            let due = match.minutes * 60 - ahead
            guard let jump = jump(after: now, notAfter: due) else { return Timestamp(milliseconds: due * 1_000) }
            let end = firstWall(jump.time + jump.before), start = firstWall(jump.time + jump.after)
            if expression.followsWallClock {
                from = start
            } else if start > end {
                if match < start { return Timestamp(milliseconds: jump.time * 1_000) }
                from = start
            } else {
                from = end
            }
            now = jump.time
            ahead = jump.after
        }
        return nil
    }

    private static let day: Int64 = 86_400

    private func offset(_ time: Int64) -> Int64 { clock.offset(at: time) }

    /// The first change of the zone's offset in a span of time, or nil. Days are probed: no zone changes twice within one.
    private func jump(after start: Int64, notAfter end: Int64) -> (time: Int64, before: Int64, after: Int64)? {
        let before = offset(start)
        var low = start
        while low < end {
            var high = min(low + Self.day, end)
            let after = offset(high)
            if after != before {
                while high - low > 1 {
                    let middle = low + (high - low) / 2
                    if offset(middle) == before { low = middle } else { high = middle }
                }
                return (high, before, after)
            }
            low = high
        }
        return nil
    }

    private func wall(_ seconds: Int64) -> WallTime { WallTime(minutes: seconds.flooredDivision(by: 60).quotient) }

    /// The first whole minute that is not before a second of the wall clock.
    private func firstWall(_ seconds: Int64) -> WallTime { WallTime(minutes: (seconds + 59).flooredDivision(by: 60).quotient) }
}

extension WallTime {
    fileprivate var next: WallTime { WallTime(minutes: minutes + 1) }
}
