import GodwitCore
import GodwitHTTP

/// Says what a button will do, and to how many jobs, before it does.
enum ConfirmView {
    static let options = ["do", "job", "schedule", "end", "from", "count", "refused"] + JobFilter.options
    /// How long the jobs of a filter are counted before a page says that there are more.
    private static let patience: Duration = .seconds(1)

    /// What is asked, and what the button hands on when it is pressed.
    private struct Question {
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
        var question = Question(title: "", text: "", press: "", fields: [("queue", name)], back: Address.queue(queue.name))
        if deed == .redrive, progress.cursor != nil {
            question.title = "Go on redriving \(queue.name)?"
            question.text = "\(soFar(progress, "got another chance")) Not all of the queue's jobs were looked at yet."
            question.press = "Go on"
            question.fields += progress.items
            return question
        }
        let counts = queue.counts
        let waiting = counts.queued + counts.scheduled + counts.retrying
        let finished = counts.succeeded + counts.failed + counts.cancelled + counts.expired
        let dead = counts.failed + counts.expired
        switch deed {
        case .purge:
            question.title = "Purge \(queue.name)?"
            question.text =
                "\(Formatting.count(waiting, "job")) that wait\(waiting == 1 ? "s" : "") (\(Formatting.count(counts.queued)) queued, "
                + "\(Formatting.count(counts.scheduled)) scheduled, \(Formatting.count(counts.retrying)) retrying) will end as cancelled. "
                + "\(Formatting.count(counts.running)) running go on."
            question.press = "Purge \(Formatting.count(waiting, "job"))"
            question.isEmpty = waiting == 0
        case .delete:
            question.title = "Delete \(queue.name)?"
            question.text =
                "The queue goes with its settings, \(Formatting.count(counts.unfinished, "unfinished job")) "
                + "(\(Formatting.count(counts.running)) of them running) and \(Formatting.count(finished, "finished one"))."
            question.press = "Delete the queue and \(Formatting.count(counts.unfinished + finished, "job"))"
        default:
            question.title = "Redrive the dead letters of \(queue.name)?"
            question.text =
                "\(Formatting.count(dead, "job")) that failed or expired here will be queued again with one more attempt; "
                + "of the \(Formatting.count(waiting)) that wait, those that are other queues' dead letters go back to where they came from. "
                + onePress
            question.press = dead > 0 ? "Redrive \(Formatting.count(dead, "job"))" : "Redrive other queues’ dead letters"
            question.isEmpty = dead + waiting == 0
        }
        return question
    }

    private static let onePress = "One press goes on for at most 5 seconds; the next one goes on from there."

    /// What the presses before this one did.
    private static func soFar(_ progress: BulkDeed.Progress, _ done: String) -> String {
        let stayed = progress.refused > 0 ? " \(Formatting.count(progress.refused, "job")) stayed." : ""
        return "\(Formatting.count(progress.done, "job")) \(done) so far.\(stayed)"
    }

    // MARK: Jobs

    private static func job(_ look: Look) async throws -> Question {
        let job = try await look.job("job")
        try look.access.require(.admin, job.queue)
        return Question(
            title: "Forget this job?",
            text: "Nothing is left of 1 job of the queue \(job.queue), \(job.name ?? "without a name"), which is \(job.state.rawValue): "
                + "its payload, its errors and its result go.",
            press: "Forget 1 job",
            fields: [("job", job.id.description)],
            back: Address.job(job.id),
            section: "jobs"
        )
    }

    private static func jobs(_ deed: Deed, _ look: Look) async throws -> Question {
        let filter = try JobFilter(look.access) { look[$0] }
        let bulk = try BulkDeed(deed, filter)
        let verb: String, done: String, what: String
        switch deed {
        case .cancelThese: (verb, done, what) = ("Cancel", "were cancelled", "will end as cancelled; what runs is told to stop")
        case .retryThese where filter.state?.isFinal == false: (verb, done, what) = ("Run", "run now", "will run now instead of later")
        case .retryThese: (verb, done, what) = ("Retry", "run again", "will be queued again, with one more attempt")
        default:
            (verb, done) = ("Redrive", "got another chance")
            what =
                "got no further: those that failed or expired will be queued again with one more attempt, "
                + "other queues' dead letters go back where they came from"
        }
        var question = Question(
            title: "\(verb) these jobs?",
            text: "",
            press: "",
            fields: filter.items,
            back: Address.path("jobs", filter.items),
            section: "jobs"
        )
        let progress = BulkDeed.Progress { look[$0] }
        if progress.cursor != nil, let end = look["end"] {
            question.title = "Go on with these jobs?"
            question.text = "\(soFar(progress, done)) Not all \(filter.words) were looked at yet."
            question.press = "Go on"
            question.fields += [("end", end)] + progress.items
            return question
        }
        let forecast = try await bulk.forecast(try await look.queues(), look.broker, look.access, patience: patience)
        let count = "\(forecast.isWhole ? "" : "at least ")\(Formatting.count(forecast.count, "job"))"
        let note = forecast.isWhole ? "" : " There are more than could be counted in a second."
        question.text =
            "\(count.capitalizedFirst) \(what). They are \(filter.words), without those that come from now on.\(note) " + onePress
        question.press = "\(verb) \(count)"
        question.fields.append(("end", forecast.end))
        question.isEmpty = forecast.isWhole && forecast.count == 0
        return question
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
            back: Address.path("schedules", []),
            section: "schedules"
        )
    }
}
