import GodwitCore
import GodwitHTTP

/// Says what a button will do, and to how many jobs, before it does.
enum ConfirmView {
    /// What its address may say, and so what a form that does something may.
    static let options = ["do", "job", choice, "schedule", "end", "from", "count", "refused", "left", "shown", "back"] + JobFilter.options
    /// The one that may stand several times.
    static let choice = "chosen"

    /// What is asked, and what the button hands on when it is pressed.
    struct Question {
        var title: String
        var text: String
        var press: String
        var fields: [(name: String, value: String?)]
        var back: String
        var section = "queues"
        /// Whether there is nothing to do it to.
        var isEmpty = false
    }

    static func path(_ deed: Deed, _ items: [(name: String, value: String?)]) -> String {
        Address.path("confirm", [("do", deed.rawValue)] + items)
    }

    static func content(_ look: Look) async throws -> PageContent {
        guard let deed = look["do"].flatMap(Deed.init(rawValue:)), deed.isConfirmed else {
            throw Problem.invalid("do", "the address does not say what to do: go back and press the button there")
        }
        let question =
            switch deed.subject {
            case .queue: try await queue(deed, look)
            case .job: try await job(look)
            case .jobs: try await jobs(deed, look)
            case .chosen: try await chosen(deed, look)
            case .schedule: try await schedule(look)
            }
        return PageContent(
            title: question.title,
            section: question.section,
            template: "confirm",
            view: [
                "title": question.title, "text": question.text, "press": question.press, "none": question.isEmpty, "back": question.back,
                "deed": deed.rawValue, "grave": deed.isGrave, "fields": Deed.fields(question.fields),
            ]
        )
    }

    // MARK: A queue

    private static func queue(_ deed: Deed, _ look: Look) async throws -> Question {
        let queue = try await look.queue(try look.queueName("queue"))
        let progress = BulkDeed.Progress { look[$0] }
        let name: String = queue.name.description
        var question = Question(title: "", text: "", press: "", fields: [("queue", name)], back: look.back ?? Address.queue(queue.name))
        if deed == .redrive, progress.cursor != nil {
            question.title = "Go on redriving \(queue.name)?"
            question.text = "\(soFar(progress, "got another chance")) Not all of the queue's jobs were looked at yet."
            question.press = "Go on"
            question.fields += progress.items
            return question
        }
        let counts = queue.counts
        let waiting = counts.unfinished - counts.running
        let count = deed.count(in: counts)
        switch deed {
        case .purge:
            question.title = "Purge \(queue.name)?"
            question.text =
                "\(Formatting.count(waiting, "job")) that wait\(waiting == 1 ? "s" : "") (\(Formatting.count(counts.queued)) queued, "
                + "\(Formatting.count(counts.scheduled)) scheduled, \(Formatting.count(counts.retrying)) retrying) will end as cancelled. "
                + "\(Formatting.count(counts.running)) running go on."
            question.press = "Purge \(Formatting.count(count, "job"))"
            question.isEmpty = waiting == 0
        case .delete:
            question.title = "Delete \(queue.name)?"
            question.text =
                "The queue goes with its settings, \(Formatting.count(counts.unfinished, "unfinished job")) "
                + "(\(Formatting.count(counts.running)) of them running) and \(Formatting.count(counts.finished, "finished one"))."
            question.press = "Delete the queue and \(Formatting.count(count, "job"))"
        default:
            let moved = queue.settings.deadLetterQueue != nil && count > 0
            question.title = "Redrive the dead letters of \(queue.name)?"
            question.text =
                "\(Formatting.count(count, "job")) that failed or expired here will be queued again with one more attempt\(moved ? elsewhere : ""); "
                + "of the \(Formatting.count(waiting)) that wait, those that are other queues' dead letters go back to where they came from. "
                + onePress
            question.press =
                count > 0 ? "Redrive \(moved ? "up to " : "")\(Formatting.count(count, "job"))" : "Redrive other queues’ dead letters"
            question.isEmpty = count + waiting == 0
        }
        if let shown = look["shown"].flatMap({ Int($0) }) {
            // Where jobs come all the time each count is behind, and nobody is to be asked for ever.
            question.text =
                "\(Formatting.count(shown, "job")) \(shown == 1 ? "was" : "were") shown, and there are more now. \(question.text) "
                + "Jobs that come until you press are meant as well."
        } else {
            question.fields.append(("shown", String(deed.bound(in: counts))))
        }
        return question
    }

    /// Of dead letters that are not where their jobs failed.
    static let elsewhere = ", but for those whose dead letters went to another queue: they stay, and are redriven there"

    static let onePress = "One press goes on for at most 5 seconds; the next one goes on from there."

    /// What the presses before this one did.
    static func soFar(_ progress: BulkDeed.Progress, _ done: String) -> String {
        let stayed = progress.refused > 0 ? " \(Formatting.count(progress.refused, "job")) stayed." : ""
        return "\(Formatting.count(progress.done, "job")) \(done) so far.\(stayed)"
    }

    // MARK: A schedule

    private static func schedule(_ look: Look) async throws -> Question {
        let key = try ScheduleRecord.key(look.access) { look[$0] }
        guard let found = try await look.broker.read([key.key]).first, let record = found else {
            throw ScheduleRecord.missing
        }
        let schedule = ScheduleRecord(name: key.name, queue: key.queue, value: record.value)
        let last = schedule.last.map { Formatting.relative($0, to: look.now) } ?? "at an unknown time"
        return Question(
            title: "Forget the schedule \(key.name)?",
            text: "Nothing is left of 1 schedule of the queue \(key.queue), which was last due \(last). Its jobs stay. "
                + "A worker that still has it makes it anew, and fires nothing that was due until then.",
            press: "Forget the schedule",
            fields: [("schedule", key.name), ("queue", key.queue.description)],
            back: look.back ?? Address.path("schedules", []),
            section: "schedules"
        )
    }
}
