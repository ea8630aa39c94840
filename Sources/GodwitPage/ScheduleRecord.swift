import GodwitCore
import GodwitHTTP

extension ScheduleRecord {
    /// The record that an address or a form names.
    /// - Parameter item: what it says by a name.
    /// - Throws: ``Problem``, also when it must not be seen.
    static func key(_ access: PageAccess, _ item: (String) -> String?) throws -> (key: RecordKey, name: String, queue: QueueName) {
        guard let name = item("schedule"), let text = item("queue") else {
            throw Problem.invalid("schedule", "nothing says which schedule: choose one from the list of schedules")
        }
        let queue = try QueueName(text)
        try access.require(.admin, queue)
        return (Self.key(name, in: queue), name, queue)
    }
}
