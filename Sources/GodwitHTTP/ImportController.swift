import GodwitCore
import HTTPTypes
import Hummingbird

/// Takes lines of an export in: a request's whole, or nothing of it but the queues that it makes.
///
/// An import has an id, and the store remembers in a small record up to which line it has come, in the same transaction as the lines
/// themselves: so a request that is repeated takes nothing in twice, whenever that is.
struct ImportController: Sendable {
    /// Beside the mark, as many as a transaction takes.
    static let lineLimit = Limits.operations - 1

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.post, "import", .admin, options: ["id", "line", "passed-over"], handler: take)] }

    private struct Outcome {
        var jobs = 0, records = 0, queues = 0
        var jobsThere = 0, recordsThere = 0, queuesThere = 0
        /// Lines that the mark says are there.
        var linesThere = 0
        /// How many the caller has passed over, in this request and in those before.
        var linesPassedOver = 0
        var line: Int
    }

    @Sendable private func take(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        let id = try exchange.query.text("id", limit: 200)
        let first = try exchange.query.integer("line", in: 1...Int.max >> 1) ?? 1
        // A payload and a result of the greatest length, in base64.
        let body = try await exchange.body(limit: 3 * exchange.limits.batchBytes)
        let lines = Self.lines(of: body)
        guard (1...Self.lineLimit).contains(lines.count) else {
            throw Problem.invalid("body", "the body has \(lines.count) lines: send 1 to \(Self.lineLimit)")
        }
        // Lines that the caller has emptied, as they were refused.
        let passedOver = try exchange.query.integer("passed-over", in: 0...lines.count) ?? 0
        let mark = try await ImportMark(id, at: broker)
        var outcome = Outcome(line: max(mark?.line ?? 0, first + lines.count - 1))
        outcome.linesThere = min(max((mark?.line ?? 0) - first + 1, 0), lines.count)
        // A request that is repeated was counted.
        outcome.linesPassedOver = (mark?.passedOver ?? 0) + (outcome.linesThere < lines.count ? passedOver : 0)
        var parsed: [(index: Int, line: ImportLine)] = []
        for (index, line) in lines.enumerated() where first + index > mark?.line ?? 0 {
            guard let line = try ImportLine(line, path: "[\(index)].", limits: exchange.limits) else { continue }
            parsed.append((index, line))
        }
        for (index, line) in parsed {
            if case .queue(let name, let settings, let isPaused) = line {
                try await make(name, settings, isPaused: isPaused, path: "[\(index)].", &outcome)
            }
        }
        if outcome.linesThere < lines.count {
            try await commit(parsed, mark?.operation(line: outcome.line, passedOver: outcome.linesPassedOver), &outcome)
        }
        exchange.audit.note("import", ["jobs": "\(outcome.jobs)", "records": "\(outcome.records)", "queues": "\(outcome.queues)"])
        return .json { json in
            json.object { json in
                json.member("line", outcome.line)
                json.member("jobs", outcome.jobs)
                json.member("jobs_there_already", outcome.jobsThere)
                json.member("records", outcome.records)
                json.member("records_there_already", outcome.recordsThere)
                json.member("queues", outcome.queues)
                json.member("queues_there_already", outcome.queuesThere)
                json.member("lines_there_already", outcome.linesThere)
                json.member("lines_passed_over", outcome.linesPassedOver)
            }
        }
    }

    private func make(_ name: QueueName, _ settings: JSONValue, isPaused: Bool, path: String, _ outcome: inout Outcome) async throws {
        guard try await broker.queue(name) == nil else { return outcome.queuesThere += 1 }
        do {
            // In one: whoever repeats the import finds the queue, and leaves it as it is.
            _ = try await broker.configure(name, try QueueSettings().merging(settings), expecting: .absent, startsPaused: isPaused)
        } catch let error as BrokerError where error.code == .versionConflict {
            return outcome.queuesThere += 1
        } catch let error as BrokerError {
            throw Problem(error, path: path + "settings.")
        } catch var problem as Problem {
            problem.field = path + "settings" + (problem.field.map { ".\($0)" } ?? "")
            throw problem
        }
        outcome.queues += 1
    }

    private func commit(_ lines: [(index: Int, line: ImportLine)], _ mark: Operation?, _ outcome: inout Outcome) async throws {
        var items = lines.compactMap { index, line in
            if case .operation(let operation, let isRecord) = line { (index: index, operation: operation, isRecord: isRecord) } else { nil }
        }
        // A record that is there keeps its value.
        let keys = items.compactMap { if case .put(let key, _, _, _) = $0.operation { key } else { nil } }
        if !keys.isEmpty {
            let there = Set(zip(keys, try await broker.read(keys)).compactMap { $1 == nil ? nil : $0 })
            let before = items.count
            items.removeAll { if case .put(let key, _, _, _) = $0.operation { there.contains(key) } else { false } }
            outcome.recordsThere += before - items.count
        }
        let operations = items.map(\.operation) + (mark.map { [$0] } ?? [])
        guard !operations.isEmpty else { return }
        guard let answer = try await broker.commit([Transaction(operations)]).first else {
            throw BrokerError(.outcomeUnknown, "the store did not say what became of the lines: send them again")
        }
        switch answer {
        case .aborted(let index, let error):
            if items.indices.contains(index), error.code != .busy, error.code != .storeOutdated {
                // What a job is stands in its member job, what it has behind it beside that.
                let member = items[index].isRecord || error.field?.hasPrefix("past.") == true ? "" : "job."
                throw Problem(error, path: "[\(items[index].index)].\(member)")
            }
            throw error
        case .committed(let results):
            for (item, result) in zip(items, results) {
                if item.isRecord {
                    outcome.records += 1
                } else if case .duplicate = result {
                    outcome.jobsThere += 1
                } else {
                    outcome.jobs += 1
                }
            }
        }
    }
}

/// How far an import has come.
struct ImportMark {
    private static let prefix = "godwit.import/"

    private let key: RecordKey
    private let version: Version?
    /// The last line that was taken in.
    let line: Int
    /// How many lines up to there were passed over.
    let passedOver: Int

    /// Whether a record is another's.
    static func isNone(_ key: RecordKey) -> Bool { key.home != .own || !key.name.hasPrefix(prefix) }

    /// - Returns: nil for an import without an id.
    init?(_ id: String?, at broker: any Broker) async throws {
        guard let id else { return nil }
        key = RecordKey(Self.prefix + id)
        let record = try await broker.read([key]).first ?? nil
        version = record?.version
        // Whoever may commit may have written anything under this key.
        let numbers = record?.value.text?.split(separator: " ").map { min(max(Int($0) ?? 0, 0), Int.max >> 1) } ?? []
        line = numbers.first ?? 0
        passedOver = numbers.count > 1 ? numbers[1] : 0
    }

    /// Notes it, unless another has done so meanwhile.
    func operation(line: Int, passedOver: Int) -> Operation {
        .put(key, value: Bytes("\(line) \(passedOver)"), expecting: version.map { .version($0) } ?? .absent, lifetime: nil)
    }
}

extension ImportController {
    /// A body's lines, without their ends; one behind the last end is none. They are parts of it: it is in memory once.
    static func lines(of body: Bytes) -> [Bytes] {
        var lines = body.slice.split(separator: 0x0a, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { Bytes($0) }
    }
}
