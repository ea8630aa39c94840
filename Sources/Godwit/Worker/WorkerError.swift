/// A mistake in how a ``Worker`` was set up: it does not start.
public struct WorkerError: Error, Sendable, CustomStringConvertible {
    /// A stable word for one kind of mistake. New ones may be added.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        /// Two handlers for one job name.
        public static let duplicateHandler = Code(rawValue: "duplicate_handler")
        /// Two schedules of one name.
        public static let duplicateSchedule = Code(rawValue: "duplicate_schedule")
        /// A crontab expression that cannot be read, or an interval that is not positive.
        public static let invalidSchedule = Code(rawValue: "invalid_schedule")
        /// A time zone that this machine does not know.
        public static let unknownTimeZone = Code(rawValue: "unknown_time_zone")
        /// A concurrency, lease or time out of range.
        public static let invalidSetting = Code(rawValue: "invalid_setting")
        /// Neither a handler nor a schedule.
        public static let nothingToDo = Code(rawValue: "nothing_to_do")
    }

    public var code: Code
    /// What is wrong, and what to do about it.
    public var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code): \(message)" }
}
