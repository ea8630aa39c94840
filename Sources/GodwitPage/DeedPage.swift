import GodwitCore
import GodwitHTTP
import HTTPTypes
import Hummingbird

/// Does what a button says: a form from a page of this server, by somebody who may. Each deed leaves a line in the audit.
struct DeedPage: Sendable {
    /// How long one press of a button may go on.
    private static let time: Duration = .seconds(5)

    let environment: PageEnvironment
    private var broker: any Broker { environment.broker }

    /// Where it can be seen, and what is said there once.
    private struct Done {
        var path: String
        var note: String?
    }

    func perform(_ request: Request) async throws -> Response {
        try SameOrigin.check(request.head, isEncrypted: environment.isEncrypted)
        guard let access = try environment.access(of: request.head) else { return .redirect(.seeOther, to: SessionPages.path(backTo: nil)) }
        let form = try await FormBody.read(request, known: ConfirmView.options, repeatable: [ConfirmView.choice])
        guard let deed = form["do"].flatMap(Deed.init(rawValue:)) else {
            throw Problem.invalid("do", "the form does not say what to do: go back, load the page again and press the button there")
        }
        // What fails may have been done in part.
        defer { environment.glance.forget() }
        let done =
            switch deed.subject {
            case .queue: try await perform(deed, form, access)
            case .job: try await performOnJob(deed, form, access)
            case .jobs: try await performOnJobs(deed, form, access)
            case .chosen: try await performOnChosen(deed, form, access)
            case .schedule: try await forgetSchedule(form, access)
            }
        let note = done.note.map { environment.notes.leave($0) }
        let cookie = note.map { PageCookie.set(.note, to: $0, for: request.head, isEncrypted: environment.isEncrypted) }
        return .redirect(.seeOther, to: done.path, headers: cookie.map { [.setCookie: $0] } ?? [:])
    }

    private func note(_ act: Deed, _ subject: KeyValuePairs<String, String>, by access: PageAccess) {
        let name =
            switch act {
            // As the interface under `/v1` calls them.
            case .redriveJob, .redriveThese: Deed.redrive.rawValue
            case .retryThese, .retryChosen: Deed.retry.rawValue
            case .cancelThese, .cancelChosen: Deed.cancel.rawValue
            case .forgetSchedule: Deed.forget.rawValue
            default: act.rawValue
            }
        environment.audit?.note(name, subject, by: access.access, from: Connection.current?.address)
    }

    // MARK: A queue

    private func perform(_ deed: Deed, _ form: FormBody, _ access: PageAccess) async throws -> Done {
        guard let text = form["queue"] else { throw Problem.invalid("queue", "the form names no queue: go back and load the page again") }
        let name = try QueueName(text)
        try access.require(.admin, name)
        if let question = try await questionAnew(deed, name, form) { return question }
        var count: Int?
        switch deed {
        case .pause: try await broker.pause(name)
        case .resume: try await broker.resume(name)
        case .purge: count = try await broker.purge(name)
        case .delete:
            // Where none unfinished was shown none goes, whatever came since the look before this.
            try await broker.delete(name, purging: form["shown"] != "0")
            note(deed, ["queue": text], by: access)
            return Done(path: Address.path("", []), note: deed.report())
        case .redrive: return try await redrive(name, form.progress, by: access)
        default: break
        }
        if let count { note(deed, ["queue": text, "jobs": String(count)], by: access) } else { note(deed, ["queue": text], by: access) }
        return Done(path: Address.queue(name), note: deed.report(count ?? 0))
    }

    /// Leads back to who asks when there are more jobs now than were shown there.
    private func questionAnew(_ deed: Deed, _ name: QueueName, _ form: FormBody) async throws -> Done? {
        guard let shown = form["shown"].flatMap({ Int($0) }), form.progress.cursor == nil, let queue = try await broker.queue(name),
            deed.bound(in: queue.counts) > shown
        else { return nil }
        return Done(
            path: ConfirmView.path(deed, [("queue", name.description), ("shown", String(shown)), ("back", Address.checked(form["back"]))])
        )
    }

    /// Redrives as long as one press may: what is left goes on from where this one ended.
    private func redrive(_ name: QueueName, _ before: BulkDeed.Progress, by access: PageAccess) async throws -> Done {
        var query = RedriveQuery(queue: name, cursor: before.cursor), progress = before
        let end = ContinuousClock.now + Self.time
        repeat {
            let page: RedrivePage
            do throws(BrokerError) { page = try await broker.redrive(query) } catch {
                progress.failure = error
                break
            }
            // Each page, for the next one may fail.
            if page.redriven > 0 { note(.redrive, ["queue": name.description, "jobs": String(page.redriven)], by: access) }
            progress.done += page.redriven
            progress.refused += page.refused + page.moved
            progress.failure = page.failure
            query.cursor = page.next
        } while query.cursor != nil && progress.failure == nil && ContinuousClock.now < end
        progress.cursor = query.cursor
        if progress.isOver {
            return Done(path: Address.queue(name), note: Deed.redrive.report(progress.done, refused: progress.refused))
        }
        return Done(path: ConfirmView.path(.redrive, [("queue", name.description)] + progress.items), note: try progress.stop)
    }

    // MARK: Jobs

    private func performOnJob(_ deed: Deed, _ form: FormBody, _ access: PageAccess) async throws -> Done {
        guard let text = form["job"] else { throw Problem.invalid("job", "the form names no job: go back and load the page again") }
        var id = JobID(text)
        let job = try await Look.job(id, broker, access)
        try access.require(.admin, job.queue)
        switch deed {
        case .retry: _ = try await broker.commit(.retry(id))
        case .cancel: _ = try await broker.commit(.cancel(id))
        case .redriveJob: id = try await broker.commit(.redrive(id)).jobID ?? id
        case .forget: _ = try await broker.commit(.forget(id))
        default: break
        }
        note(deed, ["job": text], by: access)
        let back = Address.checked(form["back"])
        let path = deed == .forget ? back ?? Address.path("jobs", [("queue", job.queue.description)]) : Address.job(id, backTo: back)
        return Done(path: path, note: deed.report())
    }

    private func performOnJobs(_ deed: Deed, _ form: FormBody, _ access: PageAccess) async throws -> Done {
        let filter = try JobFilter(access) { form[$0] }
        let bulk = try BulkDeed(deed, filter)
        guard let end = form["end"] else { throw Problem.invalid("end", "the form says no end: go back and press the button there again") }
        let queues = try await SeenQueues.all(environment, access)
        let progress = await bulk.run(form.progress, end: end, queues, broker, access, for: Self.time) { count in
            note(deed, ["filter": filter.line, "jobs": String(count)], by: access)
        }
        let back = Address.checked(form["back"])
        if progress.isOver {
            return Done(path: back ?? Address.path("jobs", filter.items), note: deed.report(progress.done, refused: progress.refused))
        }
        return Done(
            path: ConfirmView.path(deed, filter.items + [("end", progress.cursor.map { _ in end })] + progress.items + [("back", back)]),
            note: try progress.stop
        )
    }

    private func performOnChosen(_ deed: Deed, _ form: FormBody, _ access: PageAccess) async throws -> Done {
        let ids = form.all(ConfirmView.choice)
        let jobs = try await ConfirmView.chosen(ids, broker, access)
        let outcomes = try await broker.commit(each: jobs.map { deed == .cancelChosen ? .cancel($0.id) : .retry($0.id) })
        for (job, outcome) in zip(jobs, outcomes) {
            if case .success = outcome { note(deed, ["job": job.id.description], by: access) }
        }
        let tally = BulkTally(outcomes)
        if tally.done == 0, let failure = tally.failure { throw failure }
        return Done(
            path: Address.checked(form["back"]) ?? Address.path("jobs", []),
            note: deed.report(tally.done, refused: ids.count - tally.done)
        )
    }

    // MARK: A schedule

    private func forgetSchedule(_ form: FormBody, _ access: PageAccess) async throws -> Done {
        let record = try ScheduleRecord.key(access) { form[$0] }
        guard let found = try await broker.read([record.key]).first, found != nil else { throw ScheduleRecord.missing }
        _ = try await broker.commit(.delete(record.key, expecting: .anything))
        // Whatever is in its name, it ends no line.
        note(.forgetSchedule, ["schedule": PercentCoding.encode(record.name), "queue": record.queue.description], by: access)
        return Done(path: Address.path("schedules", []), note: Deed.forgetSchedule.report())
    }
}

extension BulkDeed.Progress {
    /// As an address and a form hand it on.
    var items: [(name: String, value: String?)] {
        [
            ("from", cursor), ("count", done > 0 ? String(done) : nil), ("refused", refused > 0 && !isOutgrown ? String(refused) : nil),
            ("left", isOutgrown ? nil : left.map { String($0) }),
        ]
    }

    /// - Parameter item: what an address or a form says by a name.
    init(_ item: (String) -> String?) {
        // Somebody else may have written them: what is counted on from them stays a number.
        func number(_ name: String) -> Int { min(max(0, item(name).flatMap { Int($0) } ?? 0), 1 << 40) }
        self.init(done: number("count"), refused: number("refused"), left: item("left").map { _ in number("left") }, cursor: item("from"))
    }

    /// What is said of what stopped it.
    /// - Throws: that, when nothing was done before.
    fileprivate var stop: String? {
        get throws {
            guard let failure else { return nil }
            if done == 0 { throw failure }
            return "It stopped before the end: \(failure.message)"
        }
    }
}

extension FormBody {
    fileprivate var progress: BulkDeed.Progress { BulkDeed.Progress { self[$0] } }
}
