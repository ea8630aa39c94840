/// A piece of work: a value that says what is to be done, and how it is to be enqueued.
///
/// What is stored is the job's plain JSON, so that programs in other languages can publish what a Swift worker runs, and the reverse.
/// How a job is *run* (retries, concurrency, dependencies) is said where its handler is registered: ``Worker/handle(_:retry:timeout:_:)``.
///
/// ```swift
/// struct Thumbnail: Job {
///     typealias Output = URL          // default: Void
///     static let name = "thumbnail"
///     static let timeout = Duration.seconds(120)
///     static let maxAttempts = 5
///     var photo: String
/// }
/// ```
///
/// A stored job may be read by a later version of the program: add properties as optionals, or decode them with a default.
public protocol Job: Codable, Sendable {
    /// What the job's handler returns; kept with the finished job and given by ``JobHandle/result()``.
    associatedtype Output: Sendable = Void

    /// Which handler runs the job: 1 to 200 bytes. Always said, never derived: renaming the type does not lose what is stored.
    static var name: String { get }
    /// The queue that the job waits in; `default` unless said otherwise.
    static var queue: String { get }
    /// 0 to 255, higher first; 0 unless said otherwise.
    static var priority: Int { get }
    // None of these is an optional: `static let timeout = Duration.seconds(5)` is no `Duration?`, would not be the requirement, and so be
    // ignored without a word.

    /// How long the job waits before it may run; `.zero` unless said otherwise.
    static var delay: Duration { get }
    /// The job expires when no worker has started it for this long after it was enqueued; `.zero`, for never, unless said otherwise.
    static var expires: Duration { get }
    /// How long one attempt may take; `.zero`, for any time, unless said otherwise.
    static var timeout: Duration { get }
    /// How many attempts the job is allowed, 1 to 1,000; 0, for the queue's setting (20 by default), unless said otherwise.
    static var maxAttempts: Int { get }
}

extension Job {
    /// The queue `default`.
    public static var queue: String { "default" }
    /// The lowest.
    public static var priority: Int { 0 }
    /// It may run at once.
    public static var delay: Duration { .zero }
    /// It never expires.
    public static var expires: Duration { .zero }
    /// An attempt may take any time.
    public static var timeout: Duration { .zero }
    /// As many as the queue's setting says.
    public static var maxAttempts: Int { 0 }
}
