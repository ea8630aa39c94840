import GodwitCore

/// The due times of a schedule.
enum DueTimes: Sendable {
    /// The multiples of so many milliseconds since 1970.
    case interval(Int64)
    case cron(CronSchedule)

    /// - Throws: ``WorkerError`` that names the schedule.
    init(_ schedule: Schedule, name: String) throws(WorkerError) {
        switch schedule.kind {
        case .every(let interval):
            guard interval >= .seconds(1), interval <= Limits.longestDuration else {
                throw WorkerError(.invalidSchedule, "the schedule \"\(name)\" has an interval of \(interval): it must be 1s to 3650d")
            }
            self = .interval(interval.inMilliseconds)
        case .cron(let text, let identifier):
            guard let clock = ZoneDatabase.system.clock(identifier) else {
                throw WorkerError(
                    .unknownTimeZone,
                    "the schedule \"\(name)\" has the time zone \"\(identifier)\", which is unknown here: "
                        + "use a name of the time zone database such as Europe/Berlin, and see that the machine has that database (the package tzdata)"
                )
            }
            do throws(CronExpression.ParseError) {
                self = .cron(CronSchedule(try CronExpression(text), in: clock))
            } catch {
                throw WorkerError(.invalidSchedule, "the schedule \"\(name)\": \(error)")
            }
        }
    }

    /// The first due time after the given time; nil when there is none for decades.
    func next(after time: Timestamp) -> Timestamp? {
        switch self {
        case .interval(let interval):
            Timestamp(milliseconds: (time.milliseconds.flooredDivision(by: interval).quotient + 1) * interval)
        case .cron(let cron): cron.next(after: time)
        }
    }

    /// The last due time that is after `start` and not after `end`; nil when there is none.
    func last(after start: Timestamp, notAfter end: Timestamp) -> Timestamp? {
        switch self {
        case .interval(let interval):
            let last = Timestamp(milliseconds: end.milliseconds.flooredDivision(by: interval).quotient * interval)
            return last > start ? last : nil
        case .cron(let cron):
            guard var last = cron.next(after: start), last <= end else { return nil }
            // From ever further back, so that years without a worker cost no more than minutes.
            var window: Duration = .seconds(3_600)
            while end - start > window {
                if let due = cron.next(after: end - window), due <= end {
                    last = due
                    break
                }
                window *= 4
            }
            while let next = cron.next(after: last), next <= end { last = next }
            return last
        }
    }
}

extension Timestamp {
    fileprivate static func - (time: Timestamp, span: Duration) -> Timestamp {
        Timestamp(milliseconds: time.milliseconds - span.inMilliseconds)
    }
}
