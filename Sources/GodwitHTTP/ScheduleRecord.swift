package import GodwitCore
import HTTPTypes

/// A schedule, as the record says it that those who fire it keep.
package struct ScheduleRecord: Sendable {
    /// What the names of their records begin with.
    package static let prefix = "schedule:"
    /// How long after its time a schedule is said to be fired by nobody.
    private static let lateness: Duration = .seconds(60)

    package var name: String
    /// Where its jobs go.
    package var queue: QueueName
    package var last: Timestamp?
    /// Nil when there is none for decades, or it is not known.
    package var next: Timestamp?

    package init(name: String, queue: QueueName, value: Bytes?) {
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

    package static func key(_ name: String, in queue: QueueName) -> RecordKey { RecordKey(prefix + name, home: .queue(queue)) }
    package var key: RecordKey { Self.key(name, in: queue) }

    /// Whether it is past its time, so that nobody runs who would fire it.
    package func isLate(at now: Timestamp) -> Bool { next.map { now - $0 > Self.lateness } ?? false }

    /// A page of a store's schedules, in no order that means anything; it may have few, even none. The list goes on as long as `next` is not nil.
    package static func page(of store: any Exportable, after cursor: String?) async throws(BrokerError) -> (
        schedules: [ScheduleRecord], next: String?
    ) {
        let page = try await store.exportRecords(after: cursor, named: prefix)
        return (page.records.compactMap(ScheduleRecord.init), page.next)
    }

    package static let missing = Problem(
        .notFound,
        "schedule_not_found",
        "there is no such schedule (any more): choose one from the list of schedules",
        field: "schedule"
    )
}
