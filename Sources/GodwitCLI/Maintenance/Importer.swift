import GodwitCore
import GodwitHTTP
import HTTPTypes

/// Takes an export in, line by line, in batches of one queue each.
struct Importer {
    struct Counts: Sendable {
        var published = 0
        /// Jobs that a key showed to be there.
        var repeated = 0
        var made = 0
        /// Queues that were there.
        var kept = 0
        /// Whether the last line came, or none was to come.
        var isWhole = true
    }

    /// Jobs that go together, with the lines that they come from.
    fileprivate struct Batch {
        var queue = ""
        var lines: [Int] = []
        var body: [UInt8] = []
    }

    let store: Store
    let keyPrefix: String?
    let retry: RetryPolicy
    private(set) var counts = Counts()
    private var batch = Batch()

    init(store: Store, keyPrefix: String?, retry: RetryPolicy) {
        self.store = store
        self.keyPrefix = keyPrefix
        self.retry = retry
    }

    /// - Throws: ``CommandFailure`` that names the line, and says how much was done before it.
    mutating func run(_ descriptor: Int32, from first: Int) async throws {
        // A payload of text can take six bytes for each of its own.
        let limits = LineBatches.Limits(count: 1, bytes: 6 * Limits.transactionBytes)
        for await input in LineBatches.read(from: descriptor, limits: limits, encode: { $0 }) {
            if let failure = input.failure { throw try await stopped(failure, at: nil) }
            if let line = input.items.first, input.firstLine >= first {
                do {
                    try await take(line, input.firstLine)
                } catch let failure as CommandFailure {
                    throw try await stopped(failure, at: input.firstLine)
                }
            }
            input.done()
        }
        do {
            try await flush()
        } catch let failure as CommandFailure {
            throw try await stopped(failure, at: nil)
        }
    }

    /// What was read before a line that is wrong is published all the same; then the failure says so.
    private mutating func stopped(_ failure: CommandFailure, at line: Int?) async throws -> CommandFailure {
        var failure = failure
        if failure.problem == nil, failure.exit == .usage { try await flush() }
        Output.endProgress()
        if let line, !failure.message.hasPrefix("line") { failure.message = "line \(line): \(failure.message)" }
        failure.message += " (\(counts.published + counts.repeated) jobs before it are there)"
        return failure
    }

    private mutating func take(_ bytes: [UInt8], _ line: Int) async throws {
        guard let value = JSONValue(bytes), let type = value["type"]?.string else {
            throw CommandFailure.usage("this is no line of an export: each is a JSON object with a type")
        }
        switch type {
        case "export":
            guard value["format"]?.integer == 1 else {
                throw CommandFailure.usage("a newer version of Godwit made this export: import it with that version")
            }
            counts.isWhole = false
        case "queue": try await take(queue: value)
        case "job": try await take(job: value, line)
        case "end": counts.isWhole = true
        default:
            throw CommandFailure.usage(
                "there is no type \(JobText.printable(String(type.prefix(40)))): export, queue, job and end are known"
            )
        }
    }

    private mutating func take(queue value: JSONValue) async throws {
        guard let name = value["name"]?.string, let settings = value["settings"] else {
            throw CommandFailure.usage("a queue has a name and settings")
        }
        do {
            _ = try await store.queue(name)
            counts.kept += 1
        } catch let failure as CommandFailure where failure.code == BrokerError.Code.queueNotFound.rawValue {
            _ = try await store.configure(name, settings: Array(settings.bytes.slice))
            if value["paused"]?.bool == true { _ = try await store.perform(.pause, on: name) }
            counts.made += 1
        }
    }

    private mutating func take(job value: JSONValue, _ line: Int) async throws {
        guard let queue = value["queue"]?.string, let job = value["job"], job.kind == .object else {
            throw CommandFailure.usage("a job has a queue, and what a batch takes as job")
        }
        var item = Array(job.bytes.slice)
        if let keyPrefix, job["key"] == nil {
            guard let id = value["id"]?.string else { throw CommandFailure.usage("without an id no key can be made of it") }
            let key = JSONWriter.text { $0.string(keyPrefix + id) }
            let comma = (try? job.members())??.isEmpty == false ? "," : ""
            item.insert(contentsOf: Array("\"key\":\(key)\(comma)".utf8), at: 1)
        }
        let isFull =
            batch.lines.count == Limits.operations || batch.body.count + item.count + 2 > Limits.transactionBytes || batch.queue != queue
        if isFull { try await flush() }
        batch.queue = queue
        batch.lines.append(line)
        batch.body.append(UInt8(ascii: batch.lines.count == 1 ? "[" : ","))
        batch.body += item
    }

    private mutating func flush() async throws {
        guard !batch.lines.isEmpty else { return }
        let batch = batch
        self.batch = Batch()
        var request = StoreRequest(.post, ["v1", "queues", batch.queue, "jobs", "batch"], body: batch.body + [UInt8(ascii: "]")])
        request.headers[.contentType] = Content.json
        let answer: JSONValue
        do {
            answer = try await retry.run(waiting: PublishCommand.sayWaiting) { try await store.json(request) }
        } catch var failure as CommandFailure {
            failure.message = "\(batch.name(of: failure)): \(failure.message)"
            throw failure
        }
        guard let jobs = answer["jobs"]?.elements else { throw CommandFailure.notGodwit(store.transport.description) }
        let repeated = jobs.count { $0["replayed"]?.bool == true }
        counts.repeated += repeated
        counts.published += jobs.count - repeated
        Output.progress("\(counts.published + counts.repeated) jobs")
    }
}

extension Importer.Batch {
    /// The line that a refusal is about, which names the item as `[3].key`; else all lines of the batch.
    fileprivate func name(of failure: CommandFailure) -> String {
        if let field = failure.problem?["field"]?.string, field.hasPrefix("["), let end = field.firstIndex(of: "]"),
            let index = Int(field[field.index(after: field.startIndex)..<end]), lines.indices.contains(index)
        {
            return "line \(lines[index])"
        }
        let first = lines.first ?? 0, last = lines.last ?? 0
        return first == last ? "line \(first)" : "lines \(first) to \(last)"
    }
}
