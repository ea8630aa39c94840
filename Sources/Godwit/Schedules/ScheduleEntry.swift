import Foundation
import GodwitCore

/// A schedule as a worker was given it; looked at when the worker starts.
struct ScheduleEntry: Sendable {
    let name: String
    let schedule: Schedule
    let queue: String
    let make: @Sendable (Timestamp) throws -> NewMessage
}

/// A schedule that can be followed.
struct CheckedSchedule: Sendable {
    let name: String
    let times: DueTimes
    /// Where the last due time is kept: at home in the queue that it enqueues to, so that both change in one transaction.
    let record: RecordKey
    let make: @Sendable (Timestamp) throws -> NewMessage

    /// - Throws: ``WorkerError`` that names the schedule; ``BrokerError`` for a queue's name.
    init(_ entry: ScheduleEntry) throws {
        guard !entry.name.isEmpty, entry.name.utf8.count <= Limits.jobName else {
            throw WorkerError(.invalidSchedule, "the schedule's name \"\(entry.name)\" must have 1 to \(Limits.jobName) bytes")
        }
        name = entry.name
        times = try DueTimes(entry.schedule, name: entry.name)
        record = RecordKey("schedule:\(entry.name)", home: .queue(try QueueName(entry.queue)))
        make = entry.make
    }

    static func all(_ entries: [ScheduleEntry]) throws -> [CheckedSchedule] {
        var names: Set<String> = []
        return try entries.map { entry in
            guard names.insert(entry.name).inserted else {
                throw WorkerError(.duplicateSchedule, "two schedules have the name \"\(entry.name)\": give each a name of its own")
            }
            return try CheckedSchedule(entry)
        }
    }
}
