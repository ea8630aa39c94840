/// When something happens again and again.
public struct Schedule: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case every(Duration)
        case cron(String, zone: String)
    }

    let kind: Kind

    /// At every multiple of the interval since 1970 (UTC): `.every(.seconds(300))` at :00, :05, :10, whenever the worker started.
    /// - Parameter interval: At least 1 s; whole milliseconds.
    public static func every(_ interval: Duration) -> Schedule { Schedule(kind: .every(interval)) }

    /// At the times of a crontab expression: `minute hour day-of-month month day-of-week`, or `@yearly`, `@monthly`, `@weekly`, `@daily`,
    /// `@hourly`.
    ///
    /// A field is `*`, a number, a name (`jan`, `mon`), a range (`1-5`), steps (`*/15`, `8-18/2`), or a list of those; days of the week are 0
    /// (or 7) for Sunday to 6. When both days are restricted, one of them suffices, as in every cron since Vixie's.
    ///
    /// When the clock is set forward, a fixed hour that is skipped is due at the first moment after; when it is set back, a fixed hour that
    /// comes twice is due the first time only. Expressions for every hour (`*` or `*/n`) follow the clock on the wall.
    ///
    /// - Parameters:
    ///   - expression: The crontab expression.
    ///   - zone: A name of the time zone database, such as `Europe/Berlin`.
    public static func cron(_ expression: String, in zone: String = "UTC") -> Schedule { Schedule(kind: .cron(expression, zone: zone)) }
}
