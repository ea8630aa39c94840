import GodwitCore
import GodwitHTTP

/// Schedules with their last and next firing, from the records that those who fire them keep.
enum SchedulesView {
    /// Pages of small records that are looked through.
    private static let mostPages = 10
    private static let prefix = "schedule:"

    static func content(_ look: Look) async throws -> PageContent {
        var rows: [View] = [], isAll = true
        let store = look.broker as? any Exportable
        if let store {
            var cursor: String?, pages = 0
            repeat {
                let page = try await store.exportRecords(after: cursor)
                rows += page.records.compactMap { row($0, look) }
                cursor = page.next
                pages += 1
            } while cursor != nil && pages < mostPages
            isAll = cursor == nil
        }
        let columns: [View] = ["Schedule", "Queue", "Last", "Next"].map { ["label": $0] }
        rows.sort { ($0["schedule"] as? String ?? "") < ($1["schedule"] as? String ?? "") }
        return PageContent(
            title: "Schedules",
            section: "schedules",
            template: "schedules",
            view: ["rows": rows, "columns": columns, "none": rows.isEmpty, "partial": !isAll, "unsupported": store == nil],
            refresh: .every(.seconds(15))
        )
    }

    private static func row(_ record: ExportedRecord, _ look: Look) -> View? {
        guard case .queue(let queue) = record.key.home, record.key.name.hasPrefix(prefix), look.access.allows(.admin, queue) else {
            return nil
        }
        let value = (try? record.value.get()).flatMap { try? JSONValue(parsing: $0) }
        let members = (try? value?.members()) ?? []
        func time(_ name: String) -> Timestamp? {
            members.first { $0.name == name }?.value.string.flatMap { Timestamp(rfc3339: $0) }
        }
        let next = time("next")
        return [
            "schedule": String(record.key.name.dropFirst(prefix.count)), "queue": queue.description, "queueLink": Address.queue(queue),
            "last": Formatting.time(time("last"), now: look.now), "next": Formatting.time(next, now: look.now),
            // Nobody who would fire it runs.
            "late": next.map { look.now - $0 > .seconds(60) } ?? false,
        ]
    }
}
