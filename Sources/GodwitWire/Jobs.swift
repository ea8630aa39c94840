import GodwitCore

// What is known of jobs and records.

/// What of a job is there: one bit each.
private enum Present {
    static let name: UInt64 = 1, progress: UInt64 = 2, runAt: UInt64 = 4, startedAt: UInt64 = 8, finishedAt: UInt64 = 16
    static let errors: UInt64 = 32, group: UInt64 = 64, transient: UInt64 = 128, reason: UInt64 = 256, deaths: UInt64 = 512
    static let priority: UInt64 = 1_024, holder: UInt64 = 2_048
}

extension FrameWriter {
    mutating func snapshot(_ job: JobSnapshot) {
        let frame = begin(Kind.job)
        number(job.present)
        self.job(job.id)
        queue(job.queue)
        state(job.state)
        signed(Int64(job.attempt))
        signed(Int64(job.maxAttempts))
        time(job.createdAt)
        count(job.deliveries)
        number(job.version.number)
        if let name = job.name { text(name) }
        if let progress = job.progress { self.progress(progress) }
        if let runAt = job.runAt { time(runAt) }
        if let startedAt = job.startedAt { time(startedAt) }
        if let finishedAt = job.finishedAt { time(finishedAt) }
        if !job.errors.isEmpty {
            count(job.errors.count)
            for error in job.errors { failure(error) }
        }
        if let group = job.group { text(group) }
        if let reason = job.reason { self.reason(reason) }
        if !job.deaths.isEmpty {
            count(job.deaths.count)
            for death in job.deaths { self.death(death) }
        }
        if job.priority != 0 { signed(Int64(job.priority)) }
        if let holder = job.holder { text(holder.description) }
        end(frame)
    }

    private mutating func failure(_ failure: AttemptFailure) {
        byte(failure.code == nil ? 0 : 1)
        text(failure.message)
        if let code = failure.code { text(code) }
        signed(Int64(failure.attempt))
        time(failure.at)
    }

    private mutating func death(_ death: Death) {
        queue(death.queue)
        reason(death.reason)
        count(death.count)
        time(death.firstAt)
        time(death.lastAt)
        job(death.job)
        signed(Int64(death.attempt))
        signed(Int64(death.deliveries))
    }

    mutating func lookup(_ lookup: JobLookup) {
        switch lookup {
        case .found(let job): snapshot(job)
        case .unknown: empty(Kind.jobUnknown)
        case .forgotten: empty(Kind.jobForgotten)
        }
    }

    mutating func record(_ record: Record?) {
        guard let record else { return empty(Kind.noRecord) }
        let frame = begin(Kind.record)
        byte(record.counter == nil ? 0 : 1)
        blob(record.value)
        if let counter = record.counter {
            count(counter.count)
            count(counter.target)
        }
        number(record.version.number)
        end(frame)
    }
}

extension JobSnapshot {
    fileprivate var present: UInt64 {
        var present: UInt64 = 0
        if name != nil { present |= Present.name }
        if progress != nil { present |= Present.progress }
        if runAt != nil { present |= Present.runAt }
        if startedAt != nil { present |= Present.startedAt }
        if finishedAt != nil { present |= Present.finishedAt }
        if !errors.isEmpty { present |= Present.errors }
        if group != nil { present |= Present.group }
        if isTransient { present |= Present.transient }
        if reason != nil { present |= Present.reason }
        if !deaths.isEmpty { present |= Present.deaths }
        if priority != 0 { present |= Present.priority }
        if holder != nil { present |= Present.holder }
        return present
    }
}

extension FrameReader {
    mutating func snapshot() throws(WireError) -> JobSnapshot {
        let frame = try open(Kind.job)
        let job = try openedSnapshot()
        close(frame)
        return job
    }

    /// What is known here of a job whose frame is open; of bits that are not known nothing stands before what is.
    mutating func openedSnapshot() throws(WireError) -> JobSnapshot {
        let present = try number()
        let id = try job(), queue = try queue(), state = try state()
        let attempt = try whole(), maxAttempts = try whole()
        let createdAt = try time(), deliveries = try integer(), version = Version(try number())
        var job = JobSnapshot(
            id: id,
            queue: queue,
            name: nil,
            state: state,
            attempt: attempt,
            maxAttempts: maxAttempts,
            createdAt: createdAt,
            deliveries: deliveries,
            version: version
        )
        if present & Present.name != 0 { job.name = try text() }
        if present & Present.progress != 0 { job.progress = try progress() }
        if present & Present.runAt != 0 { job.runAt = try time() }
        if present & Present.startedAt != 0 { job.startedAt = try time() }
        if present & Present.finishedAt != 0 { job.finishedAt = try time() }
        if present & Present.errors != 0 { for _ in 0..<(try count(least: 4)) { job.errors.append(try failure()) } }
        if present & Present.group != 0 { job.group = try text() }
        job.isTransient = present & Present.transient != 0
        if present & Present.reason != 0 { job.reason = try reason() }
        if present & Present.deaths != 0 { for _ in 0..<(try count(least: 8)) { job.deaths.append(try death()) } }
        if present & Present.priority != 0 { job.priority = try whole() }
        if present & Present.holder != 0 { job.holder = HolderID(try text()) }
        return job
    }

    private mutating func failure() throws(WireError) -> AttemptFailure {
        let hasCode = try flags(1) != 0
        let message = try text()
        let code = hasCode ? try text() : nil
        let attempt = try whole()
        return AttemptFailure(message: message, code: code, attempt: attempt, at: try time())
    }

    private mutating func death() throws(WireError) -> Death {
        let queue = try queue(), reason = try reason(), count = try integer()
        let firstAt = try time(), lastAt = try time(), job = try job()
        let attempt = try whole(), deliveries = try whole()
        return Death(
            queue: queue,
            reason: reason,
            count: count,
            firstAt: firstAt,
            lastAt: lastAt,
            job: job,
            attempt: attempt,
            deliveries: deliveries
        )
    }

    mutating func lookup() throws(WireError) -> JobLookup {
        guard let (kind, around) = try open() else { throw damaged("what is known of a job is missing") }
        let lookup: JobLookup
        switch kind {
        case Kind.job: lookup = .found(try openedSnapshot())
        case Kind.jobUnknown: lookup = .unknown
        case Kind.jobForgotten: lookup = .forgotten
        default: throw unknown(kind)
        }
        close(around)
        return lookup
    }

    mutating func record() throws(WireError) -> Record? {
        guard let (kind, around) = try open() else { throw damaged("a record is missing") }
        var record: Record?
        switch kind {
        case Kind.record: record = try openedRecord()
        case Kind.noRecord: record = nil
        default: throw unknown(kind)
        }
        close(around)
        return record
    }

    mutating func openedRecord() throws(WireError) -> Record {
        let isCounter = try flags(1) != 0
        let value = try blob()
        let counter = isCounter ? try counter() : nil
        return Record(value: value, counter: counter, version: Version(try number()))
    }
}
