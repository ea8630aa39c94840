import GodwitCore

/// What a worker says about a lease: that its job ended, or that it goes on.
enum Settlement {
    case settle(Transaction)
    case renew(Renewal)
}

extension Settlement {
    /// `{"error": text or {message, code}, "retry"?: bool, "delay"?: "10s"}`
    static func failure(of lease: LeaseToken, _ value: JSONValue, path: String = "") throws(Problem) -> Settlement {
        var object = try ObjectReader(value, path: path)
        guard let error = object.value("error") else {
            throw .invalid(path + "error", "say what failed: a text, or an object with message and code")
        }
        let failure: Failure
        if let text = error.string {
            failure = Failure(message: text)
        } else {
            var details = try ObjectReader(error, path: path + "error.")
            guard let message = details.value("message")?.string else {
                throw .invalid(path + "error.message", "say what failed, as a string")
            }
            failure = Failure(message: message, code: try details.text("code", limit: Limits.errorCode))
            try details.finish()
        }
        let retries = try object.bool("retry")
        let delay = try object.duration("delay")
        try object.finish()
        let decision: RetryDecision
        switch (retries, delay) {
        case (false, nil): decision = .never
        case (false, _?): throw .invalid(path + "delay", "a delay is for a retry: leave it out, or set retry to true")
        case (_, let delay?): decision = .after(delay)
        case (_, nil): decision = .standard
        }
        return .settle(Transaction(.fail(lease, failure, retry: decision)))
    }

    /// `{"fraction": 0 to 1, "note"?: text}`
    static func progress(of lease: LeaseToken, _ value: JSONValue, path: String = "") throws(Problem) -> Settlement {
        var object = try ObjectReader(value, path: path)
        guard let fraction = object.value("fraction")?.double, (0...1).contains(fraction) else {
            throw .invalid(path + "fraction", "fraction must be a number from 0 to 1")
        }
        let note = try object.lines("note", limit: Limits.progressNote)
        try object.finish()
        return .renew(Renewal(lease, progress: JobProgress(fraction: fraction, note: note)))
    }

    static func complete(_ lease: LeaseToken, result: Content?, enqueueing messages: [NewMessage] = []) -> Settlement {
        .settle(Transaction([.complete(lease, result: result)] + messages.map { .enqueue($0) }))
    }

    static func release(_ lease: LeaseToken) -> Settlement {
        .settle(Transaction(.release(lease, delay: nil, counted: false)))
    }

    static let leaseRange: ClosedRange<Duration> = Limits.shortestLease...Limits.longestLease
}

/// One item of `POST leases/batch`.
struct BatchItem {
    static let verbs = ["complete", "fail", "release", "extend", "progress"]

    let lease: LeaseToken
    let settlement: Settlement
    /// The jobs that a completion enqueues.
    let followUps: [NewMessage]

    init(_ value: JSONValue, path: String, limits: JobRoutes.Limits) throws(Problem) {
        var object = try ObjectReader(value, path: path)
        guard let token = object.value("lease")?.string, !token.isEmpty else {
            throw .invalid(path + "lease", "say which lease this is about")
        }
        lease = LeaseToken(token)
        let said = Self.verbs.compactMap { verb in object.raw(verb).map { (verb, $0) } }
        guard said.count == 1, let (verb, detail) = said.first else {
            throw .invalid(String(path.dropLast()), "say exactly one of \(Self.verbs.joined(separator: ", "))")
        }
        let enqueue = object.value("enqueue")
        guard enqueue == nil || verb == "complete" else {
            throw .invalid(path + "enqueue", "only a completion can enqueue jobs")
        }
        try object.finish()
        followUps = try Self.messages(enqueue, path: path, limits: limits)
        switch verb {
        case "complete":
            settlement = .complete(lease, result: try Self.result(detail, path: path, limit: limits.jobBytes), enqueueing: followUps)
        case "fail": settlement = try .failure(of: lease, detail, path: path + "fail.")
        case "progress": settlement = try .progress(of: lease, detail, path: path + "progress.")
        case "extend": settlement = .renew(Renewal(lease, term: try Self.term(detail, path: path)))
        default:
            guard detail.bool == true || detail.bytes.text == "{}" else { throw .invalid(path + "release", "release must be true") }
            settlement = .release(lease)
        }
    }

    private static func result(_ value: JSONValue, path: String, limit: Int) throws(Problem) -> Content? {
        if value.isNull { return nil }
        guard value.bytes.count <= limit else { throw .tooLarge(path + "complete", limit: limit) }
        do throws(JSONError) { try value.checkPayloadDepth() } catch { throw .invalidJSON(error, field: path + "complete") }
        return Content(value.bytes)
    }

    private static func messages(_ value: JSONValue?, path: String, limits: JobRoutes.Limits) throws(Problem) -> [NewMessage] {
        guard let value else { return [] }
        guard let items = value.elements else { throw .invalid(path + "enqueue", "enqueue must be an array of jobs") }
        guard items.count < Limits.operations else {
            throw .invalid(path + "enqueue", "these are \(items.count) jobs: enqueue at most \(Limits.operations - 1) with one completion")
        }
        var messages: [NewMessage] = []
        for (index, item) in items.enumerated() {
            messages.append(try JSONMessage(item, path: "\(path)enqueue[\(index)].", queue: nil, limits: limits).message)
        }
        return messages
    }

    private static func term(_ value: JSONValue, path: String) throws(Problem) -> Duration? {
        if value.bool == true { return nil }
        guard let text = value.string else { throw .invalid(path + "extend", "extend must be a duration such as 30s, or true") }
        return try OptionText.duration(path + "extend", text, in: Settlement.leaseRange)
    }
}
