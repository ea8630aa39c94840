import GodwitCore

/// A schedule as a worker was given it; looked at when the worker starts.
struct ScheduleEntry: Sendable {
    let name: String
    let schedule: Schedule
    let queue: String
    let make: @Sendable (Timestamp) throws -> NewMessage
}
