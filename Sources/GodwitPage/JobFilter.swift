import GodwitCore
import GodwitHTTP

/// Which jobs somebody looks at: the filter of the page of jobs, as it stands in addresses and forms.
struct JobFilter: Sendable {
    static let options = ["state", "queue", "name", "reason"]

    var state: JobState?
    var queue: QueueName?
    var name: String?
    var reason: DeathReason?

    /// - Parameter item: what an address or a form says by a name; nil when it says nothing.
    /// - Throws: ``Problem`` for what is none, or a queue that must not be seen.
    init(_ access: PageAccess, _ item: (String) -> String?) throws {
        if let text = item("queue") {
            let name = try QueueName(text)
            try access.require(.admin, name)
            queue = name
        }
        if let text = item("state") {
            guard let state = JobState(rawValue: text) else {
                throw Problem.invalid("state", "state must be one of \(JobState.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self.state = state
        }
        if let text = item("reason") {
            guard let reason = DeathReason(rawValue: text) else {
                throw Problem.invalid("reason", "reason must be one of \(DeathReason.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self.reason = reason
        }
        name = item("name")
    }

    /// As an address or a form says it.
    var items: [(name: String, value: String?)] {
        [("state", state?.rawValue), ("queue", queue?.description), ("name", name), ("reason", reason?.rawValue)]
    }

    /// As people read it: `failed jobs of mail, named welcome, that died of rejected`.
    var words: String {
        [
            "\(state.map { "\($0.rawValue) " } ?? "")jobs\(queue.map { " of \($0)" } ?? "")", name.map { "named \($0)" },
            reason.map { "that died of \($0.rawValue)" },
        ].compactMap { $0 }.joined(separator: ", ")
    }

    /// As the audit has it, and addresses, in which nothing ends a line: `state=failed&queue=mail`.
    var line: String {
        let said = items.compactMap { item in item.value.map { "\(item.name)=\(PercentCoding.encode($0))" } }
        return said.isEmpty ? "all" : said.joined(separator: "&")
    }

    /// Whether the store leaves jobs out only after a page was cut: few of many are found by large pages alone.
    var isSearched: Bool { name != nil || reason != nil }

    func query(limit: Int) -> JobQuery { JobQuery(queue: queue, state: state, name: name, reason: reason, limit: limit) }

    /// Whether dead letters of its jobs may have gone to other queues.
    func mayBeElsewhere(in queues: [QueueStatus]) -> Bool {
        guard state == .failed || state == .expired else { return false }
        return queues.indices.contains { place in
            (queue == nil || queues[place].name == queue) && queues[place].settings.deadLetterQueue != nil
                && queues[place].counts.failed + queues[place].counts.expired > 0
        }
    }

    /// How many jobs it lets through in all, from the queues' kept numbers; nil where these do not say it.
    func count(in queues: [QueueStatus]) -> Int? {
        let states = state.map { [$0] } ?? JobState.allCases
        var count = 0
        // By their places: there may be very many, and each is large.
        for place in queues.indices where queue == nil || queues[place].name == queue {
            for state in states { count += queues[place].counts[state] }
        }
        // A name or a reason leaves some out; of none nothing is left.
        return !isSearched || count == 0 ? count : nil
    }
}
