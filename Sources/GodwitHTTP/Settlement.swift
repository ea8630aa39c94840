import GodwitCore

/// What a worker says about a lease: that its job ended, or that it goes on.
enum Settlement {
    case settle(Transaction)
    case renew(Renewal)
}

extension Settlement {
    /// The queue that a dead letter is to go to, where it is said.
    var target: QueueName? {
        guard case .settle(let transaction) = self, case .deadLetter(_, _, let queue)? = transaction.operations.first else { return nil }
        return queue
    }

    /// `{"error": text or {message, code}, "retry"?: bool, "delay"?: "10s"}`
    static func failure(of lease: LeaseToken, _ value: JSONValue, path: String = "") throws(Problem) -> Settlement {
        var object = try ObjectReader(value, path: path)
        return .settle(Transaction(try failure(of: lease, &object)))
    }

    /// The rest of an object, to its end.
    static func failure(of lease: LeaseToken, _ object: inout ObjectReader) throws(Problem) -> GodwitCore.Operation {
        let failure = try error(&object)
        let retries = try object.bool("retry")
        let delay = try object.duration("delay")
        try object.finish()
        switch (retries, delay) {
        case (false, nil): return .fail(lease, failure, retry: .never)
        case (false, _?): throw .invalid(object.path + "delay", "a delay is for a retry: leave it out, or set retry to true")
        case (_, let delay?): return .fail(lease, failure, retry: .after(delay))
        case (_, nil): return .fail(lease, failure, retry: .standard)
        }
    }

    /// `{"error": text or {message, code}, "to"?: queue}`
    static func deadLetter(of lease: LeaseToken, _ value: JSONValue, path: String = "") throws(Problem) -> Settlement {
        var object = try ObjectReader(value, path: path)
        return .settle(Transaction(try deadLetter(of: lease, &object)))
    }

    /// The rest of an object, to its end.
    static func deadLetter(of lease: LeaseToken, _ object: inout ObjectReader) throws(Problem) -> GodwitCore.Operation {
        let failure = try error(&object)
        var queue: QueueName?
        if let name = try object.text("to", limit: Limits.queueName) { queue = try QueueNames.parse(name, field: object.path + "to") }
        try object.finish()
        return .deadLetter(lease, failure, to: queue)
    }

    private static func error(_ object: inout ObjectReader) throws(Problem) -> Failure {
        let path = object.path
        guard let error = object.value("error") else {
            throw .invalid(path + "error", "say what failed: a text, or an object with message and code")
        }
        if let text = error.string { return Failure(message: text) }
        var details = try ObjectReader(error, path: path + "error.")
        guard let message = details.value("message")?.string else {
            throw .invalid(path + "error.message", "say what failed, as a string")
        }
        let failure = Failure(message: message, code: try details.text("code", limit: Limits.errorCode))
        try details.finish()
        return failure
    }

    /// `{"fraction": 0 to 1, "note"?: text}`
    static func progress(of lease: LeaseToken, _ value: JSONValue, path: String = "") throws(Problem) -> Settlement {
        var object = try ObjectReader(value, path: path)
        let progress = try progress(&object)
        try object.finish()
        return .renew(Renewal(lease, progress: progress))
    }

    /// - Parameter clamps: whether a number outside of the range is taken for its end: a sum of parts may be a little over 1, and the other leases
    ///   of a request are to be renewed all the same.
    static func progress(_ object: inout ObjectReader, clamps: Bool = false) throws(Problem) -> JobProgress {
        guard var fraction = object.value("fraction")?.double, clamps || (0...1).contains(fraction) else {
            throw .invalid(object.path + "fraction", "fraction must be a number from 0 to 1")
        }
        fraction = min(max(fraction, 0), 1)
        return JobProgress(fraction: fraction, note: try object.lines("note", limit: Limits.progressNote))
    }

    static func complete(_ lease: LeaseToken, result: Content?, enqueueing messages: [NewMessage] = []) -> Settlement {
        .settle(Transaction([.complete(lease, result: result)] + messages.map { .enqueue($0) }))
    }

    /// `{"to"?: "original", "back" or "untouched", "delay"?: "10s", "counted"?: bool, "headers"?: {}}`, or nothing.
    static func release(of lease: LeaseToken, _ value: JSONValue?, path: String = "") throws(Problem) -> Settlement {
        guard let value else { return .settle(Transaction(.release(lease, delay: nil, counted: false))) }
        var object = try ObjectReader(value, path: path)
        return .settle(Transaction(try release(of: lease, &object)))
    }

    /// The rest of an object, to its end.
    static func release(of lease: LeaseToken, _ object: inout ObjectReader) throws(Problem) -> GodwitCore.Operation {
        let place: ReleasePlace
        switch try object.text("to", limit: 20) {
        case nil, "original": place = .original
        case "back": place = .back
        case "untouched": place = .untouched
        default: throw .invalid(object.path + "to", "to must be \"original\", \"back\" or \"untouched\"")
        }
        let delay = try object.duration("delay", in: .zero...Limits.longestDuration)
        let isCounted = try object.bool("counted") ?? false
        let headers = try JobHeaders.read(&object)
        try object.finish()
        return .release(lease, delay: delay, counted: isCounted, to: place, amending: headers)
    }

    static let leaseRange: ClosedRange<Duration> = Limits.shortestLease...Limits.longestLease
}
