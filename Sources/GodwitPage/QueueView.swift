import GodwitCore
import GodwitHTTP

/// One queue: its jobs by state, its rates, its settings, and what can be done with it.
enum QueueView {
    static let options = ["name"]

    static func content(_ look: Look) async throws -> PageContent {
        let queue = try await look.queue(try look.queueName())
        let rates = look.environment.sampler.look(at: [queue], isAll: false)[queue.name]?.rates
        return PageContent(
            title: queue.name.description,
            section: "queues",
            template: "queue",
            view: [
                "name": queue.name.description, "paused": queue.isPaused, "tiles": tiles(queue), "facts": facts(queue, rates, look.now),
                "settings": settings(queue.settings), "deeds": deeds(queue),
                "jobs": Address.path("jobs", [("queue", queue.name.description)]),
            ],
            refresh: .every(.seconds(2))
        )
    }

    private static func tiles(_ queue: QueueStatus) -> [View] {
        JobState.allCases.map { state in
            let count = queue.counts[state]
            return Tile.view(
                state.rawValue.capitalizedFirst,
                Formatting.count(count),
                "",
                kind: state == .failed && count > 0 ? "bad" : count == 0 ? "zero" : "",
                to: Address.path("jobs", [("queue", queue.name.description), ("state", state.rawValue)])
            )
        }
    }

    private static func facts(_ queue: QueueStatus, _ rates: QueueRates?, _ now: Timestamp) -> [View] {
        let totals = queue.totals
        func rate(_ value: Double?) -> String { value.map { "\(Formatting.rate($0)) a second" } ?? "known at the next look" }
        return [
            Fact.view("Oldest queued", queue.oldestQueued.map { Formatting.span(now - $0) } ?? "none"),
            Fact.view("Coming in", rate(rates?.published)),
            Fact.view("Going out", rate(rates?.ended)),
            Fact.view("Attempts that fail", rate(rates?.failing)),
            Fact.view(
                "Expected wait",
                queue.isPaused || queue.expectedWait != nil ? QueuesView.waiting(queue) : "unknown: too few jobs end"
            ),
            Fact.view("Size", "\(Formatting.bytes(queue.bytes)) of \(Formatting.bytes(queue.settings.maxBytes))"),
            Fact.view(
                "Unfinished",
                "\(Formatting.count(queue.counts.unfinished)) of \(Formatting.count(queue.settings.maxJobs))"
            ),
            Fact.view("Keys remembered", "\(Formatting.count(queue.keys)) of \(Formatting.count(queue.settings.dedupMax))"),
            Fact.view("Published", Formatting.count(totals.published)),
            Fact.view("Refused", Formatting.count(totals.refused)),
            Fact.view("Repeated keys", Formatting.count(totals.duplicates)),
            Fact.view("Delivered", Formatting.count(totals.delivered)),
            Fact.view("Succeeded", Formatting.count(totals.succeeded)),
            Fact.view("Failed attempts", Formatting.count(totals.failedAttempts)),
            Fact.view("Leases expired", Formatting.count(totals.leasesExpired)),
            Fact.view("Dropped", Formatting.count(totals.dropped)),
            Fact.view("Dead letters sent on", Formatting.count(totals.deadLettered)),
        ]
    }

    private static func settings(_ settings: QueueSettings) -> [View] {
        let retention =
            switch settings.retention {
            case .none: "nothing is kept"
            case .keep(let succeeded, let failed, let count):
                "succeeded \(succeeded.text), failed \(failed.text), at most \(Formatting.count(count))"
            }
        return [
            Fact.view("Attempts", Formatting.count(settings.maxAttempts)),
            Fact.view("Deliveries at most", settings.maxDeliveries.map { Formatting.count($0) } ?? "any number"),
            Fact.view("Lease", settings.lease.text),
            Fact.view("Longest wait", settings.maxWait?.text ?? "any"),
            Fact.view("Time to live", settings.ttl?.text ?? "for ever"),
            Fact.view("When full", settings.overflow == .reject ? "newcomers are refused" : "the oldest are dropped"),
            Fact.view("Finished jobs", retention),
            Fact.view("Keys live for", settings.dedupWindow.text),
            Fact.view(
                "Dead letters",
                settings.deadLetterQueue ?? "stay here",
                to: (settings.deadLetterQueue.flatMap { try? QueueName($0) }).map(Address.queue)
            ),
        ]
    }

    private static func deeds(_ queue: QueueStatus) -> [View] {
        [Deed.pause, .resume, .redrive, .purge, .delete].map { deed in
            let isOff = deed == .pause ? queue.isPaused : deed == .resume ? !queue.isPaused : false
            return deed.view([("queue", queue.name.description)], isOff: isOff)
        }
    }
}

/// A line of a list of facts.
enum Fact {
    static func view(_ label: String, _ value: String, to: String? = nil) -> View { ["label": label, "value": value, "to": to.orFalse] }
}

extension String {
    var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
