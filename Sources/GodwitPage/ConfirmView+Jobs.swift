import GodwitCore
import GodwitHTTP

/// What is asked before something is done to jobs.
extension ConfirmView {
    /// How long the jobs of a filter are counted before a page says that there are more.
    private static let patience: Duration = .seconds(1)

    static func job(_ look: Look) async throws -> Question {
        let job = try await look.job("job")
        try look.access.require(.admin, job.queue)
        return Question(
            title: "Forget this job?",
            text: "Nothing is left of 1 job of the queue \(job.queue), \(job.name ?? "without a name"), which is \(job.state.rawValue): "
                + "its payload, its errors and its result go.",
            press: "Forget 1 job",
            fields: [("job", job.id.description), ("back", look.back)],
            back: Address.job(job.id, backTo: look.back),
            section: "jobs"
        )
    }

    static func jobs(_ deed: Deed, _ look: Look) async throws -> Question {
        let filter = try JobFilter(look.access) { look[$0] }
        let bulk = try BulkDeed(deed, filter)
        let words = words(deed, filter.state)
        var question = Question(
            title: "\(words.verb) these jobs?",
            text: "",
            press: "",
            fields: filter.items + [("back", look.back)],
            back: look.back ?? Address.path("jobs", filter.items),
            section: "jobs"
        )
        var progress = BulkDeed.Progress { look[$0] }
        if progress.cursor != nil, let end = look["end"] {
            question.title = "Go on with these jobs?"
            let rest = progress.left.map { "At most \(Formatting.count($0, "more job")) of them" } ?? "All of the others that are found"
            question.text =
                "\(soFar(progress, words.done)) Not all \(filter.words) were looked at yet. \(rest) will be done the same to when you press."
            question.press = "Go on"
            question.fields += [("end", end)] + progress.items
            return question
        }
        let queues = try await look.queues()
        let forecast = try await bulk.forecast(queues, look.broker, look.access, patience: patience)
        let count = "\(forecast.isWhole ? "" : "at least ")\(Formatting.count(forecast.count, "job"))"
        // What was promised is kept where all were counted.
        let more = forecast.isWhole ? "" : " There are more than could be counted in a second: all that are found when you press are meant."
        let mayStay = !forecast.isExact && deed == .retryThese && filter.mayBeElsewhere(in: queues.queues)
        let stay =
            forecast.elsewhere > 0
            ? " \(Formatting.count(forecast.elsewhere, "more job")) stay\(forecast.elsewhere == 1 ? "s" : ""), for the dead letters went to another queue."
            : ""
        question.text =
            "\(count.capitalizedFirst) \(words.what)\(mayStay ? elsewhere : ""). "
            + "They are \(filter.words), without those that come from now on.\(more)\(stay) " + onePress
        if progress.done > 0 { question.text = "\(soFar(progress, words.done)) There are more: \(question.text)" }
        question.press = "\(words.verb) \(mayStay ? "up to " : "")\(count)"
        progress.left = forecast.isWhole ? forecast.count : nil
        question.fields += [("end", forecast.end)] + progress.items
        question.isEmpty = forecast.isWhole && forecast.count == 0
        return question
    }

    private static func words(_ deed: Deed, _ state: JobState?) -> (verb: String, done: String, what: String) {
        switch deed {
        case .cancelThese, .cancelChosen: ("Cancel", "were cancelled", "will end as cancelled; what runs is told to stop")
        case .retryThese where state?.isFinal == false: ("Run", "run now", "will run now instead of later")
        case .retryThese, .retryChosen: ("Retry", "run again", "will be queued again, with one more attempt")
        default:
            (
                "Redrive", "got another chance",
                "got no further: those that failed or expired will be queued again with one more attempt, "
                    + "other queues' dead letters go back where they came from"
            )
        }
    }

    // MARK: Jobs that were chosen one by one

    /// The jobs that an address or a form names, as far as they may be acted on and are not gone.
    static func chosen(_ ids: [String], _ broker: any Broker, _ access: PageAccess) async throws -> [JobSnapshot] {
        guard ids.count <= JobsView.mostNamed else {
            throw Problem.invalid(choice, "at most \(JobsView.mostNamed) jobs can be chosen: do it to all jobs of a filter")
        }
        // Each once, however often an address names it.
        var named = Set<String>()
        return try await broker.read(ids.filter { named.insert($0).inserted }.map { JobID($0) }).compactMap(\.snapshot).filter {
            access.allows(.admin, $0.queue)
        }
    }

    static func chosen(_ deed: Deed, _ look: Look) async throws -> Question {
        let ids = look.query.all(choice)
        let jobs = try await chosen(ids, look.broker, look.access)
        let count = jobs.count { deed == .cancelChosen ? !$0.state.isFinal : $0.canBeRetried }
        let words = words(deed, nil)
        var text = "Of \(Formatting.count(ids.count, "job")) that you chose \(Formatting.count(count)) \(words.what)."
        if ids.isEmpty { text = "No job is chosen: go back and tick those that you mean." }
        return Question(
            title: "\(words.verb) the chosen jobs?",
            text: text,
            press: "\(words.verb) \(Formatting.count(count, "job"))",
            fields: ids.map { (choice, $0) } + [("back", look.back)],
            back: look.back ?? Address.path("jobs", []),
            section: "jobs",
            isEmpty: count == 0
        )
    }
}

extension JobSnapshot {
    /// Whether it can be queued again, or run now, as far as its snapshot tells.
    var canBeRetried: Bool {
        switch state {
        case .failed, .expired: !isDeadLettered
        case .cancelled, .scheduled, .retrying: true
        case .queued, .running, .succeeded: false
        }
    }
}
