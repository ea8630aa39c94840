import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore

/// Gives out queues and their unfinished jobs as JSON lines, for another store to take in.
///
/// The lines come as the client takes them, a page at a time. What changes meanwhile may be in them or not; nothing that stays is left out.
struct ExportController: Sendable {
    static let contentType = "application/jsonl"
    static let format = 1

    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.get, "export", .admin, options: ["queue"], repeatable: ["queue"], handler: export)] }

    @Sendable private func export(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        let broker = environment.broker
        guard let store = broker as? any Exportable else {
            throw Problem(.notImplemented, "not_supported", "the broker behind these routes cannot list what it holds: export where it is")
        }
        let names = try exchange.query.all("queue").map { name throws(Problem) in try QueueNames.parse(name) }
        var queues = try await broker.queues()
        for name in names where !queues.contains(where: { $0.name == name }) { throw BrokerError.queueNotFound(name.description) }
        if !names.isEmpty { queues.removeAll { !names.contains($0.name) } }
        let created = environment.now(), draining = environment.draining
        // One pass over all jobs, unless it is about few queues.
        let passes: [QueueName?] = names.isEmpty ? [nil] : names
        return Response(
            status: .ok,
            headers: [.contentType: Self.contentType, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"],
            body: ResponseBody { [queues] writer in
                var lines = JSONWriter()
                lines.exportHead(created)
                for queue in queues { lines.exported(queue) }
                try await writer.write(lines.buffer)
                var count = 0
                for queue in passes {
                    var query = ExportQuery(queue: queue)
                    repeat {
                        if draining?.isSet == true { throw CancellationError() }
                        let page = try await store.exportPage(query)
                        lines = JSONWriter()
                        for job in page.jobs { lines.exported(job) }
                        count += page.jobs.count
                        if lines.buffer.readableBytes > 0 { try await writer.write(lines.buffer) }
                        query.cursor = page.next
                    } while query.cursor != nil
                }
                lines = JSONWriter()
                lines.exportEnd(queues: queues.count, jobs: count)
                try await writer.write(lines.buffer)
                try await writer.finish(nil)
            }
        )
    }
}

extension JSONWriter {
    fileprivate mutating func exportHead(_ created: Timestamp) {
        line { json in
            json.member("type", "export")
            json.member("format", ExportController.format)
            json.member("created_at", created)
        }
    }

    fileprivate mutating func exportEnd(queues: Int, jobs: Int) {
        line { json in
            json.member("type", "end")
            json.member("queues", queues)
            json.member("jobs", jobs)
        }
    }

    fileprivate mutating func exported(_ queue: QueueStatus) {
        line { json in
            json.member("type", "queue")
            json.member("name", queue.name.description)
            json.member("paused", queue.isPaused)
            json.key("settings")
            json.settings(queue.settings)
        }
    }

    /// The job as a batch takes it, beside what it is called here.
    fileprivate mutating func exported(_ job: ExportedJob) {
        let message = job.message
        line { json in
            json.member("type", "job")
            json.member("queue", message.queue.description)
            json.member("id", job.id.description)
            json.member("state", job.state.rawValue)
            json.key("job")
            json.object { $0.message(message) }
        }
    }
}
