import GodwitCore
import GodwitHTTP
import HTTPTypes

/// Takes an export in: lines in batches, each whole or not at all.
struct Importer {
    struct Counts: Sendable {
        var jobs = 0, records = 0, queues = 0
        /// What was there: jobs that another one's claim holds off, records, queues.
        var jobsThere = 0, recordsThere = 0, queuesThere = 0
        /// Lines that an earlier run took in.
        var linesThere = 0
        /// Jobs and records that the export could not read.
        var lost = 0, lostRecords = 0
        /// Lines that were refused and passed over, by earlier runs, too.
        var bad = 0
        /// Whether the last line came, or none was to come.
        var isWhole = true
    }

    let store: Store
    let retryFor: Duration
    /// Whether lines that are refused are passed over.
    let skipsBad: Bool
    private(set) var counts = Counts()
    /// What the store remembers the import by; nil for one that cannot be repeated.
    private var id: String?
    private var hasBegun = false
    /// Up to which line everything is in the store.
    private var done = 0
    private var batch = LineSpan()
    /// Lines that this run passed over.
    private var dropped = 0

    /// - Parameter id: nil for the one that the export says.
    init(store: Store, id: String?, retryFor: Duration, skipsBad: Bool) {
        self.store = store
        self.id = id
        self.retryFor = retryFor
        self.skipsBad = skipsBad
    }

    /// - Throws: ``CommandFailure`` that names the line, and says how far it came.
    mutating func run(_ descriptor: Int32) async throws {
        // A payload of text can take six bytes for each of its own.
        let limits = LineBatches.Limits(count: 1, bytes: 6 * Limits.transactionBytes)
        for await input in LineBatches.read(from: descriptor, limits: limits, encode: { $0 }) {
            do {
                if let failure = input.failure {
                    try await flush()
                    throw failure
                }
                if let line = input.items.first { try await take(line, input.firstLine) }
            } catch let failure as CommandFailure {
                throw stopped(failure)
            }
            input.done()
        }
        do { try await flush() } catch let failure as CommandFailure { throw stopped(failure) }
        // What an earlier run passed over is not there.
        counts.linesThere -= counts.bad - dropped
    }

    private func stopped(_ failure: CommandFailure) -> CommandFailure {
        var failure = failure
        Output.endProgress()
        failure.message += " (\(done == 0 ? "nothing is taken in" : "lines up to \(done) are taken in"))"
        return failure
    }

    private mutating func take(_ bytes: [UInt8], _ line: Int) async throws {
        // All that says something of the export itself is short.
        if bytes.count < 512, let value = JSONValue(bytes), let type = value["type"]?.string {
            if type == "export", !hasBegun {
                id = id ?? value["id"]?.string
                counts.isWhole = false
            } else if type == "end" {
                counts.isWhole = true
                counts.lost = value["lost"]?.integer ?? 0
                counts.lostRecords = value["lost_records"]?.integer ?? 0
            }
        }
        hasBegun = true
        guard line > done else { return counts.linesThere += 1 }
        if !batch.takes(bytes, line) { try await flush() }
        guard line > done else { return counts.linesThere += 1 }
        batch.add(bytes, line)
    }

    private mutating func flush() async throws {
        while !batch.isEmpty {
            do {
                try await send()
                batch = LineSpan()
            } catch let failure as CommandFailure {
                guard let index = batch.index(of: failure) else { throw batch.named(failure) }
                let named = batch.named(failure)
                guard skipsBad else {
                    // What stands before the line that is wrong is taken in all the same.
                    batch = batch.before(index)
                    if !batch.isEmpty { try await send() }
                    throw named
                }
                Output.endProgress()
                Output.message("passed over \(named.message)")
                batch.drop(index)
            }
        }
    }

    private mutating func send() async throws {
        var query = [(name: "line", value: "\(batch.first)")]
        if let id { query.append(("id", id)) }
        if batch.dropped > 0 { query.append(("passed-over", "\(batch.dropped)")) }
        var request = StoreRequest(.post, ["v1", "import"], query: query, body: batch.body)
        request.headers[.contentType] = "application/jsonl"
        // A request that may have been carried out is sent again only where the store knows it again.
        let retry = RetryPolicy(limit: retryFor, isRepeatable: id != nil)
        let answer = try await retry.run(waiting: PublishCommand.sayWaiting) { [store] in try await store.json(request) }
        guard let line = answer["line"]?.integer else { throw CommandFailure.notGodwit(store.transport.description) }
        func count(_ name: String) -> Int { answer[name]?.integer ?? 0 }
        counts.jobs += count("jobs")
        counts.records += count("records")
        counts.queues += count("queues")
        counts.jobsThere += count("jobs_there_already")
        counts.recordsThere += count("records_there_already")
        counts.queuesThere += count("queues_there_already")
        counts.linesThere += count("lines_there_already")
        dropped += batch.dropped
        // The store knows of those of earlier runs, too, if it remembers the import.
        counts.bad = id == nil ? dropped : count("lines_passed_over")
        done = max(done, line)
        Output.progress("\(counts.jobs) jobs")
    }
}

/// Lines that go together. Those that are empty hold the places of others, so that an index says a line.
private struct LineSpan {
    private(set) var first = 1
    private var lines: [[UInt8]] = []
    private var bytes = 0
    /// How many were emptied.
    private(set) var dropped = 0

    /// Lines and bytes of one request.
    private static let most = 900, mostBytes = Limits.transactionBytes

    var isEmpty: Bool { lines.isEmpty }

    var body: [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(bytes + lines.count)
        for line in lines {
            body += line
            body.append(0x0a)
        }
        return body
    }

    func takes(_ line: [UInt8], _ number: Int) -> Bool {
        isEmpty || (number - first < Self.most && bytes + line.count <= Self.mostBytes)
    }

    mutating func add(_ line: [UInt8], _ number: Int) {
        if isEmpty { first = number }
        while first + lines.count < number { lines.append([]) }
        lines.append(line)
        bytes += line.count
    }

    mutating func drop(_ index: Int) {
        bytes -= lines[index].count
        lines[index] = []
        dropped += 1
    }

    func before(_ index: Int) -> LineSpan {
        var span = LineSpan()
        for (offset, line) in lines[..<index].enumerated() { span.add(line, first + offset) }
        return span
    }

    /// The line that a refusal is about, which it names as `[3].key`; nil when it is about none, or not about what stands there.
    func index(of failure: CommandFailure) -> Int? {
        guard !failure.isTransient, let field = failure.problem?["field"]?.string, field.hasPrefix("["),
            let end = field.firstIndex(of: "]"),
            let index = Int(field[field.index(after: field.startIndex)..<end]), lines.indices.contains(index)
        else { return nil }
        return index
    }

    /// The failure with the line in its message, and the field without it.
    func named(_ failure: CommandFailure) -> CommandFailure {
        var failure = failure
        if let index = index(of: failure) {
            let field = failure.problem?["field"]?.string ?? ""
            let path = field.drop { $0 != "]" }.dropFirst(2)
            failure.message = "line \(first + index)\(path.isEmpty ? "" : ", \(path)"): \(failure.message)"
            failure.exit = .usage
        } else {
            let last = first + lines.count - 1
            failure.message = "\(first == last ? "line \(first)" : "lines \(first) to \(last)"): \(failure.message)"
        }
        return failure
    }
}
