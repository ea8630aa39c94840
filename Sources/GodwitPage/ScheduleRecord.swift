import GodwitCore
import GodwitHTTP
import HTTPTypes

/// A schedule, as the record says it that those who fire it keep.
struct ScheduleRecord: Sendable {
    private static let prefix = "schedule:"

    var name: String
    /// Where its jobs go.
    var queue: QueueName
    var last: Timestamp?
    /// Nil when there is none for decades, or it is not known.
    var next: Timestamp?

    init(name: String, queue: QueueName, value: Bytes?) {
        self.name = name
        self.queue = queue
        let members = (try? value.flatMap { try? JSONValue(parsing: $0) }?.members()) ?? []
        func time(_ name: String) -> Timestamp? {
            members.first { $0.name == name }?.value.string.flatMap { Timestamp(rfc3339: $0) }
        }
        last = time("last")
        next = time("next")
    }

    /// Nil for a record that is none of a schedule.
    init?(_ record: ExportedRecord) {
        guard case .queue(let queue) = record.key.home, record.key.name.hasPrefix(Self.prefix) else { return nil }
        self.init(name: String(record.key.name.dropFirst(Self.prefix.count)), queue: queue, value: try? record.value.get())
    }

    static let missing = Problem(
        .notFound,
        "schedule_not_found",
        "there is no such schedule any more: choose one from the list of schedules"
    )

    /// The record that an address or a form names.
    /// - Parameter item: what it says by a name.
    /// - Throws: ``Problem``, also when it must not be seen.
    static func key(_ access: PageAccess, _ item: (String) -> String?) throws -> (key: RecordKey, name: String, queue: QueueName) {
        guard let name = item("schedule"), let text = item("queue") else {
            throw Problem.invalid("schedule", "nothing says which schedule: choose one from the list of schedules")
        }
        let queue = try QueueName(text)
        try access.require(.admin, queue)
        return (RecordKey(prefix + name, home: .queue(queue)), name, queue)
    }
}
