import GodwitCore
import GodwitHTTP

/// Schedules with their last and next firing, from the records that those who fire them keep.
enum SchedulesView {
    /// How long records are looked through for schedules.
    private static let patience: Duration = .seconds(1)

    static func content(_ look: Look) async throws -> PageContent {
        var schedules: [ScheduleRecord] = [], isAll = true
        let store = look.broker as? any Exportable
        if let store {
            var cursor: String?
            let end = ContinuousClock.now + patience
            repeat {
                let page = try await ScheduleRecord.page(of: store, after: cursor)
                schedules += page.schedules.filter { look.access.allows(.admin, $0.queue) }
                cursor = page.next
            } while cursor != nil && ContinuousClock.now < end
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
