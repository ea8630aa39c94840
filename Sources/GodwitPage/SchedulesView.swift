import GodwitCore
import GodwitHTTP

/// Schedules with their last and next firing, from the records that those who fire them keep.
enum SchedulesView {
    /// Pages that are looked through, each of 10,000 small records or of 1,000 schedules.
    private static let mostPages = 200

    static func content(_ look: Look) async throws -> PageContent {
        var schedules: [ScheduleRecord] = [], isAll = true
        let store = look.broker as? any Exportable
        if let store {
            var cursor: String?, pages = 0
            repeat {
                let page = try await ScheduleRecord.page(of: store, after: cursor)
                schedules += page.schedules.filter { look.access.allows(.admin, $0.queue) }
                cursor = page.next
                pages += 1
            } while cursor != nil && pages < mostPages
            isAll = cursor == nil
        }
        schedules.sort { ($0.name, $0.queue.description) < ($1.name, $1.queue.description) }
        let columns: [View] = ["Schedule", "Queue", "Last", "Next"].map { ["label": $0] }
        return PageContent(
            title: "Schedules",
            section: "schedules",
            template: "schedules",
            view: [
                "rows": schedules.map { row($0, look) }, "columns": columns, "none": schedules.isEmpty, "partial": !isAll,
                "unsupported": store == nil,
            ],
            refresh: .every(.seconds(15))
        )
    }

    private static func row(_ schedule: ScheduleRecord, _ look: Look) -> View {
        let forget = Deed.forgetSchedule.view(
            [("schedule", schedule.name), ("queue", schedule.queue.description)],
            isOff: false,
            about: "Forget \(schedule.name)…"
        )
        return [
            "key": "\(schedule.queue) \(schedule.name)", "schedule": schedule.name, "queue": schedule.queue.description,
            "queueLink": Address.queue(schedule.queue), "last": Formatting.time(schedule.last, now: look.now),
            "next": Formatting.time(schedule.next, now: look.now),
            // Nobody who would fire it runs.
            "late": schedule.isLate(at: look.now), "deeds": [forget],
        ]
    }
}
