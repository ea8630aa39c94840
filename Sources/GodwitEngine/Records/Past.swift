import GodwitCore
import GodwitJournal

/// Something that a job from another store has behind it: in the same group as its publication, and applied right after it.
struct Past: Sendable {
    enum Step: Equatable, Sendable {
        /// An attempt failed that did not end it.
        case failure
        /// How far an unfinished job has come.
        case progress(isRetrying: Bool)
        /// Its end, in a final state.
        case end(JobEntry.State)
    }

    var sequence: UInt64
    var step: Step
    /// Wall time.
    var at: Int64
    /// How far it had come then.
    var attempts: Attempts
    /// Without its message when it is replayed.
    var failure: Failure?
    var reason: DeathReason?
    /// Without its bytes when it is replayed.
    var result: Content?
    var bodyBytes = 0

    init(sequence: UInt64, step: Step, at: Int64, attempts: Attempts) {
        self.sequence = sequence
        self.step = step
        self.at = at
        self.attempts = attempts
    }
}

extension Past {
    /// What is to be recorded of a past behind the publication of the job.
    static func steps(of past: JobPast, sequence: UInt64, maxAttempts: UInt16) -> [Past] {
        let attempts = Attempts(
            attempt: min(UInt16(clamping: past.attempt), JobEntry.mostAttempts),
            maxAttempts: maxAttempts,
            deliveries: min(UInt16(clamping: past.deliveries), JobEntry.mostDeliveries),
            started: past.startedAt?.milliseconds
        )
        var steps = past.failures.map { Past($0, sequence, .failure, attempts) }
        if let end = past.end {
            let state = JobEntry.State(end.state)
            if state == .failed {
                let failure = end.failure ?? AttemptFailure(message: "", code: nil, attempt: past.attempt, at: end.at)
                var step = Past(failure, sequence, .end(state), attempts)
                step.at = end.at.milliseconds
                step.attempts.attempt = attempts.attempt
                step.reason = end.reason
                steps.append(step)
            } else {
                var step = Past(sequence: sequence, step: .end(state), at: end.at.milliseconds, attempts: attempts)
                step.reason = end.reason
                if state == .succeeded, let result = end.result {
                    step.result = result
                    step.bodyBytes = result.bytes.count
                }
                steps.append(step)
            }
        } else if attempts.attempt > 0 || attempts.deliveries > 0 || past.isRetrying {
            let step = Step.progress(isRetrying: past.isRetrying)
            steps.append(Past(sequence: sequence, step: step, at: past.createdAt.milliseconds, attempts: attempts))
        }
        return steps
    }

    private init(_ failure: AttemptFailure, _ sequence: UInt64, _ step: Step, _ attempts: Attempts) {
        self.init(sequence: sequence, step: step, at: failure.at.milliseconds, attempts: attempts)
        self.attempts.attempt = min(UInt16(clamping: failure.attempt), JobEntry.mostAttempts)
        let bounded = Failure(message: failure.message, code: failure.code).bounded
        self.failure = bounded
        bodyBytes = bounded.message.utf8.count
    }
}

extension JobEntry.State {
    init(_ state: JobState) {
        self =
            switch state {
            case .scheduled: .scheduled
            case .queued: .queued
            case .running: .running
            case .retrying: .retrying
            case .succeeded: .succeeded
            case .failed: .failed
            case .cancelled: .cancelled
            case .expired: .expired
            }
    }
}

extension Past {
    private static let failureStep: UInt8 = 0, waitingStep: UInt8 = 1, retryingStep: UInt8 = 2

    func encode(_ stamp: Stamp, into writer: inout RecordWriter) {
        writer.put(sequence)
        switch step {
        case .failure: writer.put(Self.failureStep)
        case .progress(let isRetrying): writer.put(isRetrying ? Self.retryingStep : Self.waitingStep)
        case .end(let state): writer.put(state.rawValue)
        }
        writer.put(at)
        Change.encode(attempts, stamp, into: &writer)
        if let result { writer.field(.contentType, result.type) }
        if let code = failure?.code { writer.field(.code, code) }
        if let reason { writer.field(.reason, reason.code) }
    }

    init(_ stamp: Stamp, bodyBytes: Int, decoding reader: inout RecordReader) throws(RecordError) {
        let sequence = try reader.sequence(), code: UInt8 = try reader.get()
        let step: Step
        switch code {
        case Self.failureStep: step = .failure
        case Self.waitingStep: step = .progress(isRetrying: false)
        case Self.retryingStep: step = .progress(isRetrying: true)
        default:
            guard let state = JobEntry.State(rawValue: code), state.isFinal else { throw .newer("a step \(code) of a job's past") }
            step = .end(state)
        }
        self.init(sequence: sequence, step: step, at: try reader.time(), attempts: try Change.attempts(stamp, &reader))
        self.bodyBytes = bodyBytes
        if step == .failure || step == .end(.failed) { failure = Failure(message: "") }
        while let field = try reader.field() {
            switch field.tag {
            case .contentType: result = Content(Bytes(), type: try field.text())
            case .code: failure?.code = try field.text()
            case .reason: reason = try DeathReason(code: field.integer())
            default: try field.skip()
            }
        }
    }
}

extension EngineState {
    mutating func apply(_ past: Past, at location: RecordLocation) throws(RecordError) {
        let (entry, queue) = try unfinished(past.sequence)
        guard entry.pointee.state != .running else { throw .contradiction("job \(past.sequence) has a past while it runs") }
        let size = SizeClass(of: past.bodyBytes)
        switch past.step {
        case .failure:
            addFailure(KeptRecord(location: location, size: size), past.sequence, entry)
        case .progress(let isRetrying):
            entry.pointee.attempt = past.attempts.attempt
            entry.pointee.maxAttempts = past.attempts.maxAttempts
            entry.pointee.deliveries = past.attempts.deliveries
            if let started = past.attempts.started { withExtra(past.sequence, entry) { $0.started = started } }
            if isRetrying, entry.pointee.state == .scheduled { move(entry, queue, to: .retrying) }
        case .end(let state):
            finish(past.sequence, entry, queue, state, Final(location: location, size: size, isOfNow: false))
            return
        }
        touch(past.sequence, entry, queue)
    }
}
