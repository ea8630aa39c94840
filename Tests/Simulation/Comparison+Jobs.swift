import GodwitCore
import GodwitEngine

/// How a job that the engine shows differs from what the model has.
extension Comparison {
    static func difference(_ snapshot: JobSnapshot, _ job: ModelJob, _ wallOffset: Int64, _ knowledge: Knowledge) -> String? {
        func say(_ what: String, _ found: Any?, _ expected: Any?) -> String {
            "\(job.title): \(what) is \(found.map { "\($0)" } ?? "nil"), not \(expected.map { "\($0)" } ?? "nil")"
        }
        guard snapshot.name == job.message.name else { return say("the name", snapshot.name, job.message.name) }
        guard snapshot.state == job.state else { return say("the state", snapshot.state, job.state) }
        guard snapshot.queue == job.queue else { return say("the queue", snapshot.queue, job.queue) }
        guard snapshot.attempt == job.attempt else { return say("the attempt", snapshot.attempt, job.attempt) }
        guard snapshot.maxAttempts == job.maxAttempts else { return say("the most attempts", snapshot.maxAttempts, job.maxAttempts) }
        guard snapshot.priority == job.message.priority else { return say("the priority", snapshot.priority, job.message.priority) }
        guard snapshot.deliveries == job.deliveries else { return say("the count of deliveries", snapshot.deliveries, job.deliveries) }
        guard snapshot.isTransient == job.message.isTransient else {
            return say("transient", snapshot.isTransient, job.message.isTransient)
        }
        guard snapshot.group == job.message.group else { return say("the group", snapshot.group, job.message.group) }
        guard snapshot.reason == job.reason else { return say("the reason", snapshot.reason, job.reason) }
        guard isSame(snapshot.deaths, job.deaths, knowledge) else { return say("the history", snapshot.deaths, job.deaths) }
        guard snapshot.progress == job.progress else { return say("the progress", snapshot.progress, job.progress) }
        guard snapshot.createdAt.milliseconds == job.created else { return say("created", snapshot.createdAt, job.created) }
        if snapshot.startedAt?.milliseconds != job.started { return say("started", snapshot.startedAt?.milliseconds, job.started) }
        if job.state.isFinal {
            guard let finished = snapshot.finishedAt?.milliseconds, finished == job.finished ?? finished else {
                return say("finished", snapshot.finishedAt?.milliseconds, job.finished)
            }
        } else if snapshot.finishedAt != nil {
            return say("finished", snapshot.finishedAt, nil)
        }
        let errors = job.errors
        guard snapshot.errors.elementsEqual(errors, by: { $0.code == $1.code && $0.attempt == $1.attempt }) else {
            return say("the list of errors", snapshot.errors.map { ModelJob.Attempt(code: $0.code, attempt: $0.attempt) }, errors)
        }
        let runAt: Int64? =
            switch job.due {
            case .engine(let time)?: time.addingClamped(wallOffset)
            case .wall(let time)?: time
            case nil: nil
            }
        guard abs((snapshot.runAt?.milliseconds ?? 0) - (runAt ?? 0)) <= 1 else {
            return say("run at", snapshot.runAt?.milliseconds, runAt)
        }
        return nil
    }

    private static func isSame(_ deaths: [Death], _ expected: [ModelDeath], _ knowledge: Knowledge) -> Bool {
        deaths.count == expected.count
            && zip(deaths, expected).allSatisfy { death, expected in
                death.queue == expected.queue && death.reason == expected.reason && death.count == expected.count
                    && death.firstAt.milliseconds == expected.first && death.lastAt.milliseconds == expected.last
                    && death.attempt == expected.attempt && death.deliveries == expected.deliveries
                    && knowledge.ids[expected.number].map { $0 == death.job } ?? (knowledge.numbers[death.job] == nil)
            }
    }

    /// What a list of all jobs shows.
    struct Jobs {
        var difference: String?
        /// Which of those that may be gone are.
        var gone: Set<Int> = []
        /// The others, with their places in the list.
        var found: [(place: Int, job: ModelJob)] = []
    }

    /// Compares a list of all jobs.
    static func jobs(_ snapshots: [JobSnapshot], _ expected: ExpectedJobs, _ wallOffset: Int64, _ knowledge: Knowledge) -> Jobs {
        var place = 0, jobs = Jobs()
        jobs.found.reserveCapacity(snapshots.count)
        for job in expected.jobs {
            if place < snapshots.count, isMeant(snapshots[place], job, expected, wallOffset, knowledge) {
                if let what = difference(snapshots[place], job, wallOffset, knowledge) { return Jobs(difference: what) }
                jobs.found.append((place, job))
                place += 1
            } else if expected.lapsed.contains(job.number) {
                jobs.gone.insert(job.number)
            } else {
                let other = place < snapshots.count ? "\(snapshots[place].name ?? "a message") (\(snapshots[place].id))" : "nothing"
                return Jobs(difference: "\(job.title) is not there (\(job.state.rawValue)); in its place is \(other)")
            }
        }
        if place < snapshots.count {
            let first = snapshots[place]
            return Jobs(difference: "\(first.name ?? "a message") (\(first.id)) is there (\(first.state)), and should not be")
        }
        return jobs
    }

    /// Whether a job of the engine's is the one of the model's: by its id where that is known.
    private static func isMeant(
        _ snapshot: JobSnapshot,
        _ job: ModelJob,
        _ expected: ExpectedJobs,
        _ wallOffset: Int64,
        _ knowledge: Knowledge
    ) -> Bool {
        if let id = knowledge.ids[job.number] { return id == snapshot.id }
        guard knowledge.numbers[snapshot.id] == nil, snapshot.name == job.message.name, snapshot.queue == job.queue else { return false }
        // Of two that nobody has seen before one may be gone.
        return !expected.lapsed.contains(job.number) || difference(snapshot, job, wallOffset, knowledge) == nil
    }
}

extension ModelJob {
    /// Its failed attempts with what its end adds.
    var errors: [Attempt] {
        let code: String? =
            switch state {
            case .expired: FailureCode.expired
            case .cancelled: isPurged ? FailureCode.purged : FailureCode.cancelled
            default: nil
            }
        guard let code else { return failures }
        return Array((failures + [Attempt(code: code, attempt: attempt)]).suffix(Limits.errorsKept))
    }
}
