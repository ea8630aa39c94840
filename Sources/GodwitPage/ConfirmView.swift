import GodwitCore
import GodwitHTTP

/// Says what a button will do, and to how many jobs, before it does.
enum ConfirmView {
    static let options = ["do", "queue", "job", "from", "refused"]

    static func content(_ look: Look) async throws -> PageContent {
        guard let deed = look["do"].flatMap(Deed.init(rawValue:)), deed.isConfirmed else {
            throw Problem.invalid("do", "the address does not say what to do: go back and press the button there")
        }
        var view: View
        if deed.isForQueues {
            let queue = try await look.queue(try look.queueName("queue"))
            view = question(deed, queue)
            if deed == .redrive, let next = look["from"] { view = goOn(queue, after: look["count"].flatMap { Int($0) } ?? 0, from: next) }
            view["field"] = "queue"
            view["value"] = PageEscaping.attribute(queue.name.description)
            view["back"] = Address.queue(queue.name)
        } else {
            let job = try await look.job("job")
            try look.access.require(.admin, job.queue)
            let text: String =
                "Nothing is left of 1 job of the queue \(job.queue), \(job.name ?? "without a name"), which is \(job.state.rawValue): "
                + "its payload, its errors and its result go."
            view = question("Forget this job?", text, press: "Forget 1 job", isEmpty: false)
            view["field"] = "job"
            view["value"] = PageEscaping.attribute(job.id.description)
            view["back"] = Address.job(job.id)
        }
        view["deed"] = deed.rawValue
        view["grave"] = deed.isGrave
        return PageContent(
            title: view["title"] as? String ?? "",
            section: deed.isForQueues ? "queues" : "jobs",
            template: "confirm",
            view: view
        )
    }

    private static func question(_ title: String, _ text: String, press: String, isEmpty: Bool) -> View {
        ["title": title, "text": text, "press": press, "none": isEmpty, "from": false, "count": "0"]
    }

    /// One press did not come to the end.
    private static func goOn(_ queue: QueueStatus, after count: Int, from cursor: String) -> View {
        let text = "\(Formatting.count(max(0, count), "job")) got another chance so far. Not all of the queue's jobs were looked at yet."
        var view = question("Go on redriving \(queue.name)?", text, press: "Go on", isEmpty: false)
        view["from"] = PageEscaping.attribute(cursor)
        view["count"] = String(max(0, count))
        return view
    }

    private static func question(_ deed: Deed, _ queue: QueueStatus) -> View {
        let counts = queue.counts
        let waiting = counts.queued + counts.scheduled + counts.retrying
        let finished = counts.succeeded + counts.failed + counts.cancelled + counts.expired
        let dead = counts.failed + counts.expired
        let text: String
        switch deed {
        case .purge:
            text =
                "\(Formatting.count(waiting, "job")) that wait\(waiting == 1 ? "s" : "") (\(Formatting.count(counts.queued)) queued, "
                + "\(Formatting.count(counts.scheduled)) scheduled, \(Formatting.count(counts.retrying)) retrying) will end as cancelled. "
                + "\(Formatting.count(counts.running)) running go on."
            return question("Purge \(queue.name)?", text, press: "Purge \(Formatting.count(waiting, "job"))", isEmpty: waiting == 0)
        case .delete:
            text =
                "The queue goes with its settings, \(Formatting.count(counts.unfinished, "unfinished job")) "
                + "(\(Formatting.count(counts.running)) of them running) and \(Formatting.count(finished, "finished one"))."
            let press = "Delete the queue and \(Formatting.count(counts.unfinished + finished, "job"))"
            return question("Delete \(queue.name)?", text, press: press, isEmpty: false)
        default:
            text =
                "\(Formatting.count(dead, "job")) that failed or expired here will be queued again with one more attempt; "
                + "of the \(Formatting.count(waiting)) that wait, those that are other queues' dead letters go back to where they came from. "
                + "One press goes on for at most 5 seconds; the next one goes on from there."
            let press = dead > 0 ? "Redrive \(Formatting.count(dead, "job"))" : "Redrive other queues’ dead letters"
            return question("Redrive the dead letters of \(queue.name)?", text, press: press, isEmpty: dead + waiting == 0)
        }
    }
}
