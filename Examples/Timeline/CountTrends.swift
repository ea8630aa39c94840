import Godwit

/// Counts the trending words ahead of time, so that showing them costs nothing.
struct CountTrends: Job {
    static let name = "count-trends"
    /// A queue of its own: a flood of posts does not hold it up.
    static let queue = "trends"
    /// Late trends are of no use: the next count is near.
    static let expires = Duration.seconds(30)
}
