import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore

/// Gives out queues, small records and jobs as JSON lines, for another store to take in.
///
/// The lines come as the client takes them, a page at a time. What changes meanwhile may be in them or not; nothing that stays is left out.
struct ExportController: Sendable {
    static let contentType = "application/jsonl"
    static let format = 1

    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [Route(.get, "export", .admin, options: ["queue", "finished"], repeatable: ["queue"], handler: export)]
    }

    @Sendable private func export(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        let broker = environment.broker
        guard let store = broker as? any Exportable else {
            throw Problem(.notImplemented, "not_supported", "the broker behind these routes cannot list what it holds: export where it is")
        }
        var names: [QueueName] = []
        for text in exchange.query.all("queue") {
            let name = try QueueNames.parse(text)
            if !names.contains(name) { names.append(name) }
        }
        let includesFinished = exchange.query["finished"] == nil ? true : try exchange.query.flag("finished")
        var queues = try await broker.queues()
        for name in names where !queues.contains(where: { $0.name == name }) { throw BrokerError.queueNotFound(name.description) }
        if !names.isEmpty { queues.removeAll { !names.contains($0.name) } }
        exchange.audit.note("export", names.isEmpty ? [:] : ["queue": names.map(\.description).joined(separator: ", ")])
        let created = environment.now(), isOver = exchange.isOver
        return Response(
            status: .ok,
            headers: [.contentType: Self.contentType, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"],
            body: ResponseBody { [queues, names] writer in
                var pass = Pass(store: store, isOver: isOver)
                var lines = JSONWriter()
                lines.exportHead(created)
                for queue in queues { lines.exported(queue) }
                try await writer.write(lines.buffer)
                pass.counts.queues = queues.count
                try await pass.records(of: names, to: &writer)
                // One pass over all jobs, unless it is about few queues.
                for queue in names.isEmpty ? [nil] : names.map(Optional.some) {
                    try await pass.jobs(ExportQuery(queue: queue, includesFinished: includesFinished), to: &writer)
                }
                lines = JSONWriter()
                lines.exportEnd(pass.counts)
                try await writer.write(lines.buffer)
                try await writer.finish(nil)
            }
        )
    }
}

/// How many lines of each kind an export has.
struct ExportCounts {
    var queues = 0, records = 0, jobs = 0
    /// Jobs and records that cannot be read any more.
    var lost = 0, lostRecords = 0
}

/// One export on its way.
private struct Pass {
    let store: any Exportable
    let isOver: @Sendable () -> Bool
    var counts = ExportCounts()

    init(store: any Exportable, isOver: @escaping @Sendable () -> Bool) {
        self.store = store
        self.isOver = isOver
    }

    /// - Parameter queues: only records whose home is one of these; all records when there are none.
    mutating func records(of queues: [QueueName], to writer: inout any ResponseBodyWriter) async throws {
        var cursor: String?
        repeat {
            if isOver() { throw CancellationError() }
            let page = try await store.exportRecords(after: cursor)
            var lines = JSONWriter()
            for record in page.records where ImportMark.isNone(record.key) {
                if !queues.isEmpty {
                    guard case .queue(let home) = record.key.home, queues.contains(home) else { continue }
                }
                switch record.value {
                case .success(let value):
                    lines.exported(record, value)
                    counts.records += 1
                case .failure(let error):
                    lines.lost(record, error)
                    counts.lostRecords += 1
                }
            }
            if lines.buffer.readableBytes > 0 { try await writer.write(lines.buffer) }
            cursor = page.next
        } while cursor != nil
    }

    mutating func jobs(_ query: ExportQuery, to writer: inout any ResponseBodyWriter) async throws {
        var query = query
        repeat {
            if isOver() { throw CancellationError() }
            let page = try await store.exportPage(query)
            var lines = JSONWriter()
            for job in page.jobs {
                switch job.message {
                case .success(let message):
                    lines.exported(job, message)
                    counts.jobs += 1
                case .failure(let error):
                    lines.lost(job, error)
                    counts.lost += 1
                }
            }
            if lines.buffer.readableBytes > 0 { try await writer.write(lines.buffer) }
            query.cursor = page.next
        } while query.cursor != nil
    }
}
