import GodwitCore
import GodwitEngine

/// How what the engine answers differs from what it must answer; nil where it does not.
enum Comparison {
    typealias Reply = SteppedEngine.Reply

    static func difference(_ reply: Reply, _ open: Reference.Open, _ knowledge: Knowledge) -> String? {
        switch (open.expected, reply) {
        case (.outcomes(let expected), .outcomes(let outcomes)):
            guard expected.count == outcomes.count else { return "\(outcomes.count) outcomes of \(expected.count) transactions" }
            return zip(expected, outcomes).lazy.compactMap { difference($1, $0, knowledge) }.first
        case (.deliveries(let expected), .deliveries(let deliveries, let unreadable)):
            if let first = unreadable.first { return "a message cannot be read: \(first.error)" }
            guard expected.count == deliveries.count else {
                return "\(deliveries.map { $0.job.name ?? "?" }) were delivered instead of \(expected.map(\.job.title))"
            }
            return zip(expected, deliveries).lazy.compactMap { difference($1, $0, open, knowledge) }.first
        case (.published(let numbers), .published(let ids)):
            return numbers.count == ids.count ? nil : "\(ids.count) of \(numbers.count) messages were published"
        case (.batch(let expected), .batch(let batch, let ids)):
            guard expected.count == batch.count, ids.count == batch.count else {
                return "\(batch.count) of \(expected.count) messages were leased"
            }
            return zip(expected, ids).lazy.compactMap { expected, id in
                knowledge.ids[expected.job.number].map { $0 == id } ?? (knowledge.numbers[id] == nil)
                    ? nil : "a batch has \(id) where \(expected.job.title) belongs"
            }.first
        case (.backup, .backup): return nil
        case (.renewals(let expected), .renewals(let outcomes)):
            guard expected.count == outcomes.count else { return "\(outcomes.count) outcomes of \(expected.count) renewals" }
            let isAnyGood = expected.contains { if case .good = $0 { true } else { false } }
            return zip(expected, outcomes).lazy.compactMap { difference($1, $0, isAnyGood: isAnyGood) }.first
        case (.lookups(let expected), .lookups(let lookups)):
            guard expected.count == lookups.count else { return "\(lookups.count) answers of \(expected.count) reads" }
            return zip(expected, lookups).lazy.compactMap { difference($1, $0, open.wallOffset, knowledge) }.first
        case (.payload(let number, let expected), .content(let content)):
            return content == expected ? nil : "the payload of \(ModelJob.name(of: number)) is not what was published"
        case (.result(let number, let expected), .content(let content)):
            return content == expected ? nil : "the result of \(ModelJob.name(of: number)) is not what it was completed with"
        case (.records(let expected), .records(let records)):
            guard expected.count == records.count else { return "\(records.count) answers of \(expected.count) reads" }
            return zip(expected, records).lazy.compactMap { expected, record in
                if expected.counter?.value != record?.counter {
                    return "the counter \(expected.key.name) is \(text(record?.counter)), not \(text(expected.counter?.value))"
                }
                if expected.counter != nil { return nil }
                return expected.record?.value == record?.value
                    ? nil : "the record \(expected.key.name) is \(text(record?.value)), not \(text(expected.record?.value))"
            }.first
        case (.queues(let expected), .statuses(let statuses)):
            // Both are in the order of their names.
            guard statuses.lazy.map(\.name).elementsEqual(expected.keys) else {
                return "the queues are \(statuses.map(\.name)), not \(expected.keys)"
            }
            return statuses.lazy.compactMap { status in expected[status.name].flatMap { difference(status, $0) } }.first
        case (.jobs(let expected), .page(let page)):
            return jobs(page.jobs, expected, open.wallOffset, knowledge).difference
        case (.settings(let name, let settings), .statuses(let statuses)):
            guard let status = statuses.first, statuses.count == 1 else { return "configuring answered \(statuses.count) queues" }
            return status.name == name && status.settings == settings ? nil : "the queue \(name) did not take its settings"
        case (.count(let expected), .count(let count)):
            return expected == count ? nil : "\(count) jobs were purged, not \(expected)"
        case (.done, .done): return nil
        case (.refused(let code), .refused(let error)):
            return error.code == code ? nil : "refused as \(error), not as \(code)"
        default:
            return "answered \(brief(reply)), expected \(brief(open.expected))"
        }
    }

    /// The kind of a reply, and the error if it is one. Most differences are those of states that are tried in vain: printing all that is in
    /// them would take longer than finding them.
    private static func brief(_ reply: Reply) -> String {
        if case .refused(let error) = reply { return "\(error)" }
        return Mirror(reflecting: reply).children.first?.label ?? "\(reply)"
    }

    private static func brief(_ expected: Expected) -> String {
        if case .refused(let code) = expected { return "\(code.rawValue)" }
        return Mirror(reflecting: expected).children.first?.label ?? "\(expected)"
    }

    private static func brief(_ outcome: TransactionOutcome) -> String {
        switch outcome {
        case .committed(let results): "\(results.count) results"
        case .aborted(let operation, let error): "\(error) at operation \(operation)"
        }
    }

    private static func brief(_ expected: ExpectedOutcome) -> String {
        switch expected {
        case .committed(let results): "\(results.count) results"
        case .aborted(let operation, let codes): "\(codes.map(\.rawValue).sorted().joined(separator: " or ")) at operation \(operation)"
        }
    }

    private static func text(_ counter: CounterValue?) -> String { counter.map { "\($0.count) of \($0.target)" } ?? "not there" }
    private static func text(_ bytes: Bytes?) -> String { bytes.map { $0.text ?? "not text" } ?? "not there" }

    private static func difference(_ outcome: TransactionOutcome, _ expected: ExpectedOutcome, _ knowledge: Knowledge) -> String? {
        switch (expected, outcome) {
        case (.aborted(let index, let codes), .aborted(let operation, let error)):
            guard index == operation else { return "operation \(operation) aborted its transaction (\(error)), not \(index)" }
            return codes.contains(error.code) ? nil : "a transaction was aborted as \(error), not as \(codes)"
        case (.committed(let expected), .committed(let results)):
            guard expected.count == results.count else { return "\(results.count) results of \(expected.count) operations" }
            return zip(expected, results).lazy.compactMap { difference($1, $0, knowledge) }.first
        default: return "a transaction came to \(brief(outcome)), not to \(brief(expected))"
        }
    }

    private static func difference(_ result: OperationResult, _ expected: ExpectedResult, _ knowledge: Knowledge) -> String? {
        switch (expected, result) {
        case (.enqueued(let number, let created, let runAt, let maxAttempts, _), .enqueued(let job)):
            let isRight =
                job.createdAt.milliseconds == created && job.runAt?.milliseconds == runAt && job.maxAttempts == maxAttempts
                && job.state == (runAt == nil ? .queued : .scheduled)
            return isRight ? nil : "\(ModelJob.name(of: number)) was enqueued as \(job)"
        case (.duplicate(let number), .duplicate(let id)):
            return knowledge.ids[number].map { $0 == id } ?? true
                ? nil : "a duplicate of \(ModelJob.name(of: number)) was answered with \(id)"
        case (.state(let expected), .state(let state)) where expected == state: return nil
        case (.added(let counter, let isCounted, let completes, let numbers), .added(let added)):
            let isRight =
                added.counter == counter && added.isCounted == isCounted && added.completes == completes
                && added.enqueued.count == numbers.count
            return isRight ? nil : "a step came to \(added), not to \(expected)"
        case (.forgotten, .forgotten), (.deleted, .deleted), (.put, .put): return nil
        default: return "an operation came to \(result), not to \(expected)"
        }
    }

    private static func difference(
        _ delivery: Delivery,
        _ expected: ExpectedDelivery,
        _ open: Reference.Open,
        _ knowledge: Knowledge
    ) -> String? {
        let job = expected.job
        if let what = difference(delivery.job, job, open.wallOffset, knowledge) { return "delivered: \(what)" }
        guard delivery.payload == job.message.payload else { return "\(job.title) was delivered with another payload" }
        guard delivery.headers == job.headers else { return "\(job.title) was delivered with other headers" }
        guard delivery.deliveries == job.deliveries else {
            return "\(job.title) was delivered \(job.deliveries) times, its delivery says \(delivery.deliveries)"
        }
        guard delivery.remaining == expected.remaining, delivery.timeout == job.message.timeout else {
            return "\(job.title) was leased for \(delivery.remaining), not \(expected.remaining)"
        }
        return nil
    }

    private static func difference(_ outcome: RenewalOutcome, _ expected: ExpectedRenewal, isAnyGood: Bool) -> String? {
        switch (expected, outcome) {
        case (.good(let expected), .good(let remaining)):
            return expected == remaining ? nil : "a lease was renewed for \(remaining), not \(expected)"
        case (.over, .unreachable) where isAnyGood: return nil
        case (.over(let isCancelled, _), .cancelRequested) where isCancelled: return nil
        case (.over(_, let mustSay), .stale) where !mustSay: return nil
        default: return "a renewal came to \(outcome), not to \(expected)"
        }
    }

    private static func difference(
        _ lookup: JobLookup,
        _ expected: ExpectedLookup,
        _ wallOffset: Int64,
        _ knowledge: Knowledge
    ) -> String? {
        switch (expected, lookup) {
        case (.found(let job), .found(let snapshot)), (.either(let job), .found(let snapshot)):
            return difference(snapshot, job, wallOffset, knowledge)
        case (.forgotten, .forgotten), (.either, .forgotten): return nil
        case (.found(let job), _): return "\(job.title) is \(lookup), not \(job.state)"
        case (.either(let job), _): return "\(job.title) is \(lookup)"
        case (.forgotten(let number), _): return "\(ModelJob.name(of: number)) is \(lookup), not forgotten"
        }
    }

    private static func difference(_ status: QueueStatus, _ expected: ExpectedQueue) -> String? {
        func say(_ what: String, _ found: Any, _ expected: Any) -> String {
            "the queue \(status.name): \(what) is \(found), not \(expected)"
        }
        for state in JobState.allCases {
            let least = expected.counts[state], most = least + expected.lapsed[state]
            guard (least...most).contains(status.counts[state]) else { return say("the count of \(state)", status.counts[state], least) }
        }
        guard status.bytes == expected.bytes else { return say("bytes", status.bytes, expected.bytes) }
        guard (expected.keys...expected.keys + expected.lapsedKeys.count).contains(status.keys) else {
            return say("the count of keys", status.keys, expected.keys)
        }
        guard status.isPaused == expected.isPaused else { return say("paused", status.isPaused, expected.isPaused) }
        guard status.settings == expected.settings else { return say("settings", status.settings, expected.settings) }
        return nil
    }
}
