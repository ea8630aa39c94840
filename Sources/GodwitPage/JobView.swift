import GodwitCore
import GodwitHTTP

/// One job with all that is known of it, and what can be done with it.
enum JobView {
    static let options = ["id", "back"]

    static func content(_ look: Look) async throws -> PageContent {
        let job = try await look.job()
        // Whoever may only follow it sees what the interface would tell them.
        let isAdmin = look.access.allows(.admin, job.queue)
        var view: View = [
            "id": job.id.description, "name": job.name ?? "A job", "state": job.state.rawValue, "queue": job.queue.description,
            "queueLink": Address.queue(job.queue), "facts": facts(job, look.now, isAdmin), "errors": errors(job, look.now),
            "deaths": deaths(job, look.now), "deeds": isAdmin ? deeds(job, look.back) : [View](), "progress": progress(job),
            "isAdmin": isAdmin,
            "hasErrors": !job.errors.isEmpty, "hasDeaths": !job.deaths.isEmpty, "result": false, "unreadable": false, "elsewhere": false,
        ]
        view["jobs"] = look.back ?? Address.path("jobs", [])
        if job.isDeadLettered, isAdmin { view["elsewhere"] = try await elsewhere(job, look).orFalse }
        if job.state == .succeeded { view.merge(await result(of: job, look)) { $1 } }
        // These never change: whoever has them is not sent them again.
        if !look.isLive { view.merge(await content(of: job, look, isAdmin)) { $1 } }
        return PageContent(
            title: job.name ?? job.id.description,
            section: "jobs",
            template: "job",
            view: view,
            foot: "content",
            refresh: .change(of: job.id, job.version)
        )
    }

    /// Its payload and its headers. What is damaged does not keep the rest from being seen.
    private static func content(of job: JobSnapshot, _ look: Look, _ isAdmin: Bool) async -> View {
        var view: View = ["payload": false, "headers": [View](), "hasHeaders": false, "spoiled": false]
        guard isAdmin else { return view }
        do throws(BrokerError) {
            view["payload"] = ContentText.view(try await look.broker.payload(of: job.id))
            let headers = try await (look.broker as? any HeaderReadable)?.headers(of: job.id) ?? []
            view["headers"] = headers.map { ["header": $0.name, "content": $0.value] as View }
            view["hasHeaders"] = !headers.isEmpty
        } catch {
            view["spoiled"] = error.message
        }
        return view
    }

    /// Its result, which is read once for whoever keeps looking.
    private static func result(of job: JobSnapshot, _ look: Look) async -> View {
        func read() async -> View {
            do throws(BrokerError) {
                return ["result": try await look.broker.result(of: job.id).map(ContentText.view).orFalse]
            } catch {
                return ["unreadable": error.message]
            }
        }
        guard let memory = look.memory else { return await read() }
        return await memory.view(of: job.version, read)
    }

    private static func facts(_ job: JobSnapshot, _ now: Timestamp, _ isAdmin: Bool) -> [View] {
        var lines: [View] = []
        func line(_ label: String, _ value: String?, to: String? = nil) {
            guard let value else { return }
            lines.append(["label": label, "value": value, "to": to.orFalse, "time": false])
        }
        func line(_ label: String, at time: Timestamp?) {
            guard let time else { return }
            lines.append(["label": label, "value": "", "to": false, "time": Formatting.time(time, now: now)])
        }
        line("Attempt", "\(job.attempt) of \(job.maxAttempts)")
        line("Deliveries", Formatting.count(job.deliveries))
        line("Created", at: job.createdAt)
        line(job.state == .retrying ? "Again" : "Due", at: job.runAt)
        line("Started", at: job.startedAt)
        line("Finished", at: job.finishedAt)
        if let started = job.startedAt, let finished = job.finishedAt { line("Took", Formatting.took(finished - started)) }
        if isAdmin { line("Held by", job.holder.map { Formatting.holder($0.description) }, to: Address.path("workers", [])) }
        line("Died of", job.reason?.rawValue)
        line("Group", job.group)
        line("Priority", Formatting.count(job.priority))
        if job.isTransient { line("Transient", "gone after a restart") }
        return lines
    }

    private static func errors(_ job: JobSnapshot, _ now: Timestamp) -> [View] {
        job.errors.enumerated().reversed().map { place, error in
            [
                "key": String(place),
                "attempt": error.attempt == 0 ? "–" : String(error.attempt), "at": Formatting.time(error.at, now: now),
                "code": error.code ?? "–",
                "message": error.message,
            ]
        }
    }

    private static func deaths(_ job: JobSnapshot, _ now: Timestamp) -> [View] {
        job.deaths.map { death in
            [
                "deathQueue": death.queue.description, "deathQueueLink": Address.queue(death.queue), "reason": death.reason.rawValue,
                "times": Formatting.count(death.count), "first": Formatting.time(death.firstAt, now: now),
                "last": Formatting.time(death.lastAt, now: now), "deathJob": String(death.job.description.suffix(8)),
                "deathJobLink": Address.job(death.job), "attempts": Formatting.count(death.attempt),
                "deliveries": Formatting.count(death.deliveries),
            ]
        }
    }

    private static func progress(_ job: JobSnapshot) -> any Sendable {
        guard let progress = job.progress, progress.fraction.isFinite else { return false }
        let fraction = min(1, max(0, progress.fraction))
        let view: View = ["fraction": String(fraction), "percent": "\(Int((fraction * 100).rounded())) %", "note": progress.note ?? ""]
        return view
    }

    /// Where its dead letter is, as far as its queue's settings say it still.
    private static func elsewhere(_ job: JobSnapshot, _ look: Look) async throws -> View? {
        guard let text = try await look.broker.queue(job.queue)?.settings.deadLetterQueue, let queue = try? QueueName(text) else {
            return nil
        }
        return ["letterQueue": text, "letterLink": Address.path("jobs", [("queue", queue.description), ("name", job.name)])]
    }

    private static func deeds(_ job: JobSnapshot, _ back: String?) -> [View] {
        let possible: [Deed] =
            switch job.state {
            case .failed, .expired, .cancelled: job.isDeadLettered ? [.forget] : [.retry, .forget]
            case .succeeded: [.forget]
            case .scheduled, .retrying: [.retry, .cancel, .redriveJob]
            case .queued: [.cancel, .redriveJob]
            case .running: [.cancel]
            }
        // Whether it came from another queue never changes.
        let isDeadLetter = job.deaths.first.map { $0.queue != job.queue } ?? false
        return [Deed.retry, .cancel, .forget, .redriveJob].filter { $0 != .redriveJob || isDeadLetter }.map { deed in
            var view = deed.view([("job", job.id.description), ("back", back)], isOff: !possible.contains(deed))
            if deed == .retry, !job.state.isFinal { view["label"] = "Run now" }
            return view
        }
    }
}
