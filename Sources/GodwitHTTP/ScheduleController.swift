import GodwitCore
import HTTPTypes
import Hummingbird

/// Shows schedules, and forgets them: they are made by the workers that fire them.
struct ScheduleController: Sendable {
    /// A schedule's name in bytes.
    private static let nameBytes = Limits.recordKey - ScheduleRecord.prefix.utf8.count

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.get, "schedules", .admin, options: ["cursor"], reach: .known, handler: list),
            Route(.delete, "schedules/:schedule", .admin, options: ["queue"], reach: .known, handler: forget),
        ]
    }

    @Sendable private func list(_ exchange: Exchange) async throws -> Response {
        let page = try await ScheduleRecord.page(of: try store(), after: try exchange.query.text("cursor", limit: 1_024))
        let now = environment.now()
        let schedules = page.schedules.filter { exchange.permissions.allows($0.queue) }
        return .json { json in
            json.object { json in
                json.key("schedules")
                json.array { json in
                    for schedule in schedules { json.schedule(schedule, now) }
                }
                json.member("next_cursor", page.next)
            }
        }
    }

    @Sendable private func forget(_ exchange: Exchange) async throws -> Response {
        let name = try OptionText.lines("schedule", exchange.item("schedule"), limit: Self.nameBytes)
        let schedule = try await found(name, exchange)
        _ = try await broker.commit(.delete(schedule.key, expecting: .anything))
        // Whatever is in its name, it ends no line.
        exchange.audit.note(
            "forget",
            ["schedule": PercentCoding.encode(schedule.name), "queue": schedule.queue.description]
        )
        return Response(status: .noContent)
    }

    /// The schedule of this name, in the queue that the query names, or in the only one that has it.
    private func found(_ name: String, _ exchange: Exchange) async throws -> ScheduleRecord {
        if let text = exchange.query["queue"] {
            let queue = try QueueNames.parse(text)
            guard exchange.permissions.allows(queue) else { throw Problem.forbidden }
            let records = try await broker.read([ScheduleRecord.key(name, in: queue)])
            guard let record = records.first ?? nil else { throw ScheduleRecord.missing }
            return ScheduleRecord(name: name, queue: queue, value: record.value)
        }
        let store = try store()
        var found: [ScheduleRecord] = [], cursor: String?
        repeat {
            let page = try await ScheduleRecord.page(of: store, after: cursor)
            found += page.schedules.filter { $0.name == name && exchange.permissions.allows($0.queue) }
            cursor = page.next
        } while cursor != nil && found.count < 2 && !exchange.isOver()
        // What was not looked through to its end says nothing.
        guard cursor == nil || found.count > 1 else { throw Problem.draining }
        guard let schedule = found.first else { throw ScheduleRecord.missing }
        guard found.count == 1 else {
            throw Problem.invalid("queue", "schedules of more than one queue have this name: say which queue with queue")
        }
        return schedule
    }

    private func store() throws(Problem) -> any Exportable {
        guard let store = broker as? any Exportable else {
            throw Problem(.notImplemented, "not_supported", "the broker behind these routes cannot list what it holds: ask where it is")
        }
        return store
    }
}

extension JSONWriter {
    fileprivate mutating func schedule(_ schedule: ScheduleRecord, _ now: Timestamp) {
        object { json in
            json.member("name", schedule.name)
            json.member("queue", schedule.queue.description)
            json.member("last_at", schedule.last)
            json.member("next_at", schedule.next)
            json.member("late", schedule.isLate(at: now))
        }
    }
}
