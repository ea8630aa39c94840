import GodwitCore

extension JSONWriter {
    /// A job as every route shows it.
    /// - Parameter showsHolder: who holds it is for those who administer, not for all who follow a job: a holder's name lets workers end
    ///   its leases.
    mutating func job(_ job: JobSnapshot, replayed: Bool = false, showsHolder: Bool = false) {
        object { json in
            json.member("id", job.id.description)
            json.member("queue", job.queue.description)
            json.member("name", job.name)
            json.member("state", job.state.rawValue)
            json.member("attempt", job.attempt)
            json.member("max_attempts", job.maxAttempts)
            json.key("progress")
            json.progress(job.progress)
            json.member("created_at", job.createdAt)
            json.member("run_at", job.runAt)
            json.member("started_at", job.startedAt)
            json.member("finished_at", job.finishedAt)
            json.key("error")
            if job.state != .succeeded, let last = job.errors.last { json.failure(last) } else { json.null() }
            json.key("errors")
            json.array { json in
                for error in job.errors { json.failure(error) }
            }
            json.member("group", job.group)
            json.member("transient", job.isTransient)
            json.member("deliveries", job.deliveries)
            json.member("reason", job.reason?.rawValue)
            json.key("deaths")
            json.array { json in
                for death in job.deaths { json.death(death) }
            }
            if showsHolder { json.member("holder", job.holder?.description) }
            if replayed { json.member("replayed", true) }
        }
    }

    mutating func death(_ death: Death) {
        object { json in
            json.member("queue", death.queue.description)
            json.member("reason", death.reason.rawValue)
            json.member("count", death.count)
            json.member("first_at", death.firstAt)
            json.member("last_at", death.lastAt)
            json.member("job", death.job.description)
            json.member("attempt", death.attempt)
            json.member("deliveries", death.deliveries)
        }
    }

    /// A job that was published again under its key after it had been forgotten: its id is all that is known of it.
    mutating func forgottenJob(_ id: JobID, queue: QueueName, name: String?, replayed: Bool) {
        object { json in
            json.member("id", id.description)
            json.member("queue", queue.description)
            json.member("name", name)
            for key in ["state", "attempt", "max_attempts", "progress", "created_at", "run_at", "started_at", "finished_at", "error"] {
                json.key(key)
                json.null()
            }
            json.key("errors")
            json.array { _ in }
            json.key("group")
            json.null()
            json.key("transient")
            json.null()
            json.key("deliveries")
            json.null()
            json.key("reason")
            json.null()
            json.key("deaths")
            json.array { _ in }
            if replayed { json.member("replayed", true) }
        }
    }

    mutating func progress(_ progress: JobProgress?) {
        guard let progress else { return null() }
        object { json in
            json.key("fraction")
            json.number(progress.fraction)
            json.member("note", progress.note)
        }
    }

    mutating func failure(_ failure: AttemptFailure) {
        object { json in
            json.member("message", failure.message)
            json.member("code", failure.code)
            json.member("attempt", failure.attempt)
            json.member("at", failure.at)
        }
    }
}
