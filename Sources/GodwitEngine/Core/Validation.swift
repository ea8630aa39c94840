import GodwitCore

extension Transaction {
    /// Checks what can be checked without any state; answers the operation that is wrong, and why.
    func validate() -> (operation: Int, error: BrokerError)? {
        guard operations.count <= Limits.operations else {
            return (
                Limits.operations,
                BrokerError(.tooLarge, "a transaction has at most \(Limits.operations) operations, this one \(operations.count): split it")
            )
        }
        var bytes = 0
        for (index, operation) in operations.enumerated() {
            do throws(BrokerError) { bytes += try operation.validate() } catch { return (index, error) }
            guard bytes <= Limits.transactionBytes else {
                return (index, Self.tooManyBytes)
            }
        }
        return nil
    }

    fileprivate static var tooManyBytes: BrokerError {
        BrokerError(.tooLarge, "a transaction has at most \(Limits.transactionBytes) bytes: split it")
    }
}

extension GodwitCore.Operation {
    /// What is wrong with a transaction of this operation alone.
    var refusal: BrokerError? {
        do throws(BrokerError) {
            guard try validate() > Limits.transactionBytes else { return nil }
            return Transaction.tooManyBytes
        } catch {
            return error
        }
    }

    /// - Returns: what it counts against a transaction's bytes.
    fileprivate func validate() throws(BrokerError) -> Int {
        switch self {
        case .enqueue(let message):
            try message.validate(depth: 0, isImported: message.past != nil)
            return message.size
        case .complete(_, let result):
            guard let result else { return 0 }
            try Self.check(contentType: result.type)
            // It comes back as a header field.
            if result.type != Content.json { try Self.check("content_type", result.type) }
            return result.bytes.count
        case .fail(_, _, let retry):
            if case .after(let delay) = retry { try Self.check("delay", delay, from: .zero) }
            return 0
        case .release(_, let delay, let isCounted, let place, let headers):
            if place == .untouched {
                guard !isCounted else { throw .invalidArgument("counted", "a job that goes back untouched does not count") }
                guard delay == nil else { throw .invalidArgument("delay", "a job that goes back untouched goes to its place at once") }
            }
            if let delay { try Self.check("delay", delay, from: .zero) }
            try Self.check(headers)
            try Self.checkTexts(of: headers)
            return headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        case .deadLetter, .cancel, .retry, .redrive, .forget:
            return 0
        case .put(let key, let value, _, let lifetime):
            try Self.checkPut(key, value, lifetime)
            return value.count
        case .add(let addition):
            try addition.validate(depth: 0, isImported: false)
            return followUpSize
        case .delete(let key, _):
            try Self.check(key)
            return 0
        }
    }

    static func check(_ field: String, _ duration: Duration, from least: Duration) throws(BrokerError) {
        guard duration >= least, duration <= Limits.longestDuration else {
            throw .invalidArgument(field, "\(field) must be \(least.text) to \(Limits.longestDuration.text)")
        }
    }

    fileprivate static func check(contentType: String) throws(BrokerError) {
        guard contentType.utf8.count <= Limits.contentType else {
            throw .invalidArgument("content_type", "a content type has at most \(Limits.contentType) bytes")
        }
    }

    /// A text that every interface can say: in a header field, in a query.
    static func check(_ field: String, _ text: String?) throws(BrokerError) {
        guard let text, text.hasControlCharacters else { return }
        throw .invalidArgument(field, "\(field) has a control character, such as a line end: leave it out")
    }

    static func check(_ headers: [Header]) throws(BrokerError) {
        if headers.isEmpty { return }
        guard headers.count <= Limits.headers,
            headers.reduce(0, { $0 + $1.name.utf8.count + $1.value.utf8.count }) <= Limits.headerBytes
        else {
            throw .invalidArgument("headers", "a job has at most \(Limits.headers) headers of \(Limits.headerBytes) bytes together")
        }
    }

    /// What headers are made of, so that HTTP can carry them.
    static func checkTexts(of headers: [Header]) throws(BrokerError) {
        for header in headers {
            guard header.name.isToken else {
                throw .invalidArgument("headers", "a header's name is made of letters, digits and any of !#$%&'*+-.^_`|~")
            }
            try check("headers.\(header.name)", header.value)
        }
    }

    static func checkPut(_ key: RecordKey, _ value: Bytes, _ lifetime: Duration?) throws(BrokerError) {
        try check(key)
        guard value.count <= Limits.recordValue else {
            throw BrokerError(.tooLarge, "a record's value has at most \(Limits.recordValue) bytes", field: "value")
        }
        if let lifetime { try check("lifetime", lifetime, from: .milliseconds(1)) }
    }

    static func check(_ key: RecordKey) throws(BrokerError) {
        guard (1...Limits.recordKey).contains(key.name.utf8.count) else {
            throw .invalidArgument("key", "a record's key has 1 to \(Limits.recordKey) bytes")
        }
        if case .job(let id) = key.home, id.description.utf8.count > 64 { throw .jobNotFound(id) }
    }
}

extension NewMessage {
    /// - Parameters:
    ///   - depth: in how many others' follow-ups it stands.
    ///   - isImported: whether it comes from another store: its texts may be older than the rule what they are made of.
    func validate(depth: Int, isImported: Bool) throws(BrokerError) {
        if !isImported { try refuseUnsayable() }
        if let name, name.utf8.count > Limits.jobName {
            throw .invalidArgument("name", "a job's name has at most \(Limits.jobName) bytes")
        }
        try GodwitCore.Operation.check(contentType: payload.type)
        try GodwitCore.Operation.check(headers)
        switch start {
        case .now: break
        case .after(let delay): try GodwitCore.Operation.check("delay", delay, from: .zero)
        case .at(let time):
            guard Limits.times.contains(time) else {
                throw .invalidArgument("run_at", "run_at must be a time in the years 0 to 9999: leave it out to run now")
            }
        }
        guard (0...255).contains(priority) else { throw .invalidArgument("priority", "priority must be 0 to 255, higher first") }
        if let expires { try GodwitCore.Operation.check("expires", expires, from: .milliseconds(1)) }
        if let timeout { try GodwitCore.Operation.check("timeout", timeout, from: .milliseconds(1)) }
        if let maxAttempts, !(1...Limits.maxAttempts).contains(maxAttempts) {
            throw .invalidArgument("max_attempts", "max_attempts must be 1 to \(Limits.maxAttempts)")
        }
        if let group, !(1...Limits.group).contains(group.utf8.count) {
            throw .invalidArgument("group", "a group's name has 1 to \(Limits.group) bytes")
        }
        if let claim, !(1...Limits.claim).contains(claim.utf8.count) {
            throw .invalidArgument("claim", "a claim has 1 to \(Limits.claim) bytes")
        }
        if isTransient { try refuseWhatOutlives() }
        if let key = deduplication?.key, !(1...Limits.key).contains(key.utf8.count) {
            throw .invalidArgument("key", "an idempotency key has 1 to \(Limits.key) bytes")
        }
        if !onFinal.isEmpty { try onFinal.validate(depth: depth, isImported: isImported) }
        try past?.validate()
    }
}

extension JobPast {
    fileprivate func validate() throws(BrokerError) {
        func check(_ field: String, _ isGood: Bool, _ what: String) throws(BrokerError) {
            if !isGood { throw .invalidArgument("past.\(field)", "\(field) \(what)") }
        }
        func check(_ field: String, _ time: Timestamp?) throws(BrokerError) {
            guard let time else { return }
            try check(field, (Timestamp(milliseconds: 0)...Limits.latestTime).contains(time), "must be a time from 1970 to the year 9999")
        }
        try check("created_at", createdAt)
        try check("started_at", startedAt)
        try check("attempt", (0...Int(JobEntry.mostAttempts)).contains(attempt), "must be 0 to \(JobEntry.mostAttempts)")
        try check("deliveries", (0...Int(JobEntry.mostDeliveries)).contains(deliveries), "must be 0 to \(JobEntry.mostDeliveries)")
        try check("errors", failures.count <= Limits.errorsKept, "has at most \(Limits.errorsKept) that did not end the job")
        for failure in failures { try check("errors", failure.at) }
        try check("deaths", deaths.count <= Limits.deaths, "has at most \(Limits.deaths)")
        for death in deaths {
            try check("deaths", death.firstAt)
            try check("deaths", death.lastAt)
            try check("deaths", (1...64).contains(death.job.description.utf8.count), "names jobs by ids of 1 to 64 bytes")
        }
        guard let end else { return }
        try check("state", end.state.isFinal, "must be a final one")
        try check("finished_at", end.at)
        if let result = end.result {
            try check("result", result.type.utf8.count <= Limits.contentType, "has a content type of at most \(Limits.contentType) bytes")
            try check("result", result.bytes.count <= Limits.transactionBytes, "has at most \(Limits.transactionBytes) bytes")
        }
    }
}

extension NewMessage {
    /// What one interface takes the others must be able to say.
    private func refuseUnsayable() throws(BrokerError) {
        try GodwitCore.Operation.check("name", name)
        try GodwitCore.Operation.check("content_type", payload.type == Content.json ? nil : payload.type)
        try GodwitCore.Operation.check("group", group)
        try GodwitCore.Operation.check("claim", claim)
        try GodwitCore.Operation.check("key", deduplication?.key)
        try GodwitCore.Operation.checkTexts(of: headers)
    }

    /// A transient message is gone after a restart: what it would leave behind then, or hold up, it cannot have.
    private func refuseWhatOutlives() throws(BrokerError) {
        if deduplication != nil {
            throw .invalidArgument(
                "key",
                "a transient job has no idempotency key: after a restart the key would stand for a job that is gone"
            )
        }
        if group != nil {
            throw .invalidArgument(
                "group",
                "a transient job is in no group: after a restart the next job would run while this one still does"
            )
        }
        if claim != nil {
            throw .invalidArgument(
                "claim",
                "a transient job owns no claim: after a restart the claim would have kept others out for a job that is gone"
            )
        }
        if !onFinal.isEmpty {
            throw .invalidArgument("on_final", "nothing follows the end of a transient job: after a restart it would never have ended")
        }
    }
}

extension Failure {
    /// Itself, cut to what is kept, at characters' boundaries.
    var bounded: Failure {
        Failure(message: message.cut(to: Limits.errorMessage), code: code?.cut(to: Limits.errorCode))
    }
}

extension JobProgress {
    /// Itself within its range, with its note cut to what is kept.
    var bounded: JobProgress {
        JobProgress(fraction: fraction.isNaN ? 0 : min(max(fraction, 0), 1), note: note?.cut(to: Limits.progressNote))
    }
}
