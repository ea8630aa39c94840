import GodwitCore
import GodwitJournal

/// The kinds of records in the journal.
enum RecordKind: UInt8 {
    case store = 1, opened, clock, queue, paused, purged, queueDeleted, restored, level, reserved
    case published = 16, leased, completed, failed, released, cancelled, retried, forgotten, due, expired, progressed
    case completedTogether = 32
    case redriven = 33, past
    case put = 40, deleted, swept, added, followed
    case moved = 48
    case outcome = 56, sessionsEnded
}

extension Change {
    /// The layout of all record headers: another one means that old readers must refuse.
    static let layout: UInt8 = 1

    var kind: RecordKind {
        switch self {
        case .store: .store
        case .restored: .restored
        case .level: .level
        case .opened: .opened
        case .clock: .clock
        case .reserved: .reserved
        case .queue: .queue
        case .paused: .paused
        case .purged: .purged
        case .queueDeleted: .queueDeleted
        case .published: .published
        case .past: .past
        case .leased: .leased
        case .completed: .completed
        case .completedTogether: .completedTogether
        case .failed: .failed
        case .released: .released
        case .cancelled: .cancelled
        case .retried: .retried
        case .forgotten: .forgotten
        case .redriven: .redriven
        case .due: .due
        case .expired: .expired
        case .progressed: .progressed
        case .put: .put
        case .deleted: .deleted
        case .added: .added
        case .followed: .followed
        case .swept: .swept
        case .moved: .moved
        case .outcome: .outcome
        case .sessionsEnded: .sessionsEnded
        }
    }

    /// The record's body: what is read back on demand and never kept in memory.
    var body: Bytes {
        switch self {
        case .published(let job): job.message?.body ?? Bytes()
        case .completed(let completion): completion.result?.bytes ?? Bytes()
        case .failed(let attempt): Bytes(attempt.failure.message)
        case .past(let past): past.result?.bytes ?? past.failure.map { Bytes($0.message) } ?? Bytes()
        case .put(let record): record.value
        case .added(let step): step.then
        case .moved(let move): move.body
        default: Bytes()
        }
    }

    /// Writes the record's header.
    func encode(_ stamp: Stamp, into writer: inout RecordWriter) {
        writer.put(Self.layout)
        writer.put(stamp.engine)
        writer.put(stamp.wall)
        switch self {
        case .store(let identity):
            identity.encode(into: &writer)
        case .level(let level):
            writer.put(level.rawValue)
        case .restored(let restoration):
            writer.put(restoration.incarnation)
            writer.put(restoration.epoch)
        case .opened(let opening):
            Self.encode(opening, into: &writer)
        case .clock:
            break
        case .reserved(let end):
            writer.put(end)
        case .queue(let change):
            writer.put(change.queue)
            writer.putText(change.name.description)
            Self.encode(change.settings, into: &writer)
        case .paused(let queue, let isPaused):
            writer.put(queue)
            writer.put(UInt8(isPaused ? 1 : 0))
        case .purged(let queue), .queueDeleted(let queue):
            writer.put(queue)
        case .published(let job):
            Self.encode(job, into: &writer)
        case .past(let past):
            past.encode(stamp, into: &writer)
        case .leased(let grant):
            writer.put(grant.firstFencing)
            writer.put(grant.term)
            writer.put(UInt8(grant.endsWithProcess ? 1 : 0))
            writer.putSequences(grant.sequences)
            writer.field(.holder, grant.holder.description)
        case .completed(let completion):
            writer.put(completion.sequence)
            Self.encode(completion.attempts, stamp, into: &writer)
            writer.put(UInt8(completion.result == nil ? 0 : 1))
            if let type = completion.result?.type, type != Content.json { writer.field(.contentType, type) }
        case .completedTogether(let sequences):
            writer.putSequences(sequences)
        case .failed(let attempt):
            writer.put(attempt.sequence)
            Self.encode(attempt.attempts, stamp, into: &writer)
            switch attempt.next {
            case .final: break
            case .retry(let due): writer.field(.due, due)
            case .queue(let position): writer.field(.position, position)
            }
            if let code = attempt.failure.code { writer.field(.code, code) }
            if let reason = attempt.reason { writer.field(.reason, reason.code) }
        case .released(let release):
            writer.put(release.sequence)
            writer.put(UInt8(release.isCounted ? 1 : 0))
            if let due = release.due { writer.field(.due, due) }
            if let position = release.position { writer.field(.position, position) }
            if !release.amended.isEmpty { writer.field(.headers, headers: release.amended) }
            if release.isUntouched { writer.field(.untouched, UInt8(1)) }
        case .cancelled(let cancellation):
            writer.put(cancellation.sequence)
            Self.encode(cancellation.attempts, stamp, into: &writer)
        case .forgotten(let sequence), .redriven(let sequence):
            writer.put(sequence)
        case .retried(let retry):
            writer.put(retry.sequence)
            writer.put(retry.position)
            writer.put(UInt8(retry.revival == nil ? 0 : 1))
            if let revival = retry.revival {
                writer.put(UInt32(clamping: revival.size))
                writer.put(revival.priority)
                Self.encode(revival.attempts, stamp, into: &writer)
                if let timeout = revival.timeout { writer.field(.timeout, timeout) }
                if let group = revival.group { writer.field(.group, bytes: group) }
                if let claim = revival.claim { writer.field(.claim, bytes: claim) }
                if revival.hasFollowUps { writer.field(.onFinal, UInt8(1)) }
            }
        case .due(let jobs):
            writer.putVariable(UInt64(jobs.count))
            for job in jobs {
                writer.put(job.sequence)
                writer.put(job.position)
            }
        case .expired(let sequences):
            writer.putSequences(sequences)
        case .progressed(let sequence, let progress):
            writer.put(sequence)
            writer.put(progress.fraction.bitPattern)
            if let note = progress.note { writer.field(.note, note) }
        case .put(let record):
            Self.encode(record.key, into: &writer)
            if let expires = record.expires { writer.field(.expires, expires) }
        case .added(let step):
            step.encode(into: &writer)
        case .followed(let end):
            end.encode(into: &writer)
        case .deleted(let key):
            Self.encode(key, into: &writer)
        case .swept(let sweep):
            writer.put(sweep.queue)
            writer.putVariable(UInt64(sweep.keys))
            writer.putSequences(sweep.sequences)
        case .moved(let move):
            writer.put(move.from.segment)
            writer.put(move.from.offset)
            writer.put(move.kind)
            move.header.withUnsafeBytes { writer.put(raw: $0) }
        case .outcome(let outcome):
            writer.putBytes(outcome.session.id)
            writer.put(outcome.session.number)
            writer.put(outcome.session.acknowledged)
            writer.putBytes(outcome.results)
        case .sessionsEnded(let sessions):
            writer.putVariable(UInt64(sessions.count))
            for id in sessions { writer.putBytes(id) }
        }
    }

    static func encode(_ opening: Opening, into writer: inout RecordWriter) {
        writer.put(opening.epoch)
        writer.put(opening.boot)
        writer.put(opening.withheld)
        writer.putText(opening.bootID)
    }

    /// Settings by themselves, for a checkpoint.
    static func encoded(_ settings: QueueSettings) -> [UInt8] {
        var writer = RecordWriter()
        encode(settings, into: &writer)
        return writer.bytes
    }

    static func encode(_ attempts: Attempts, _ stamp: Stamp, into writer: inout RecordWriter) {
        writer.putVariable(UInt64(attempts.attempt))
        writer.putVariable(UInt64(attempts.maxAttempts))
        writer.putVariable(UInt64(attempts.deliveries))
        // The latest delivery was mostly not long ago.
        if attempts.deliveries > 0 { writer.putSigned(stamp.wall &- (attempts.started ?? stamp.wall)) }
    }

    /// Where fields stand in the header of a published message: who writes many that differ in nothing else writes those over.
    enum PublishedOffset {
        static let sequence = 17
        static let queue = sequence + 8
        static let maxAttempts = queue + 4
        static let size = maxAttempts + 2 + 1
    }

    private static func encode(_ job: Publication, into writer: inout RecordWriter) {
        writer.put(job.sequence)
        writer.put(job.queue)
        writer.put(job.maxAttempts)
        writer.put(job.priority)
        writer.put(UInt32(job.size))
        if let message = job.message?.message {
            if let name = message.name { writer.field(.name, name) }
            if message.payload.type != Content.json { writer.field(.contentType, message.payload.type) }
            if !message.headers.isEmpty { writer.field(.headers, headers: message.headers) }
            if let deaths = job.message?.deaths, !deaths.isEmpty { writer.field(.deaths, deaths: deaths) }
        }
        switch job.due {
        case .engine(let time): writer.field(.due, time)
        case .wall(let time): writer.field(.dueAt, time)
        case nil: break
        }
        if let expires = job.expires { writer.field(.expires, expires) }
        if let timeout = job.timeout { writer.field(.timeout, timeout) }
        if let key = job.key { writer.field(.key, bytes: key) }
        if let fingerprint = job.fingerprint { writer.field(.fingerprint, fingerprint) }
        if let origin = job.origin { writer.field(.origin, origin) }
        if let created = job.created { writer.field(.created, created) }
        if let group = job.group { writer.field(.group, bytes: group) }
        if let claim = job.claim { writer.field(.claim, bytes: claim) }
        if job.onFinalBytes > 0 { writer.field(.onFinal, UInt32(job.onFinalBytes)) }
        if job.isTransient { writer.field(.transient, UInt8(1)) }
    }

    static func encode(_ key: RecordKey, into writer: inout RecordWriter) {
        switch key.home {
        case .own:
            writer.put(UInt8(0))
        case .queue(let name):
            writer.put(UInt8(1))
            writer.putText(name.description)
        case .job(let id):
            writer.put(UInt8(2))
            writer.putText(id.description)
        }
        writer.putText(key.name)
    }

    private static func encode(_ settings: QueueSettings, into writer: inout RecordWriter) {
        writer.put(Int64(settings.maxJobs))
        writer.put(Int64(settings.maxBytes))
        writer.put(Int64(settings.maxAttempts))
        writer.put(settings.lease.inMilliseconds)
        writer.put(settings.dedupWindow.inMilliseconds)
        writer.put(Int64(settings.dedupMax))
        switch settings.retention {
        case .none:
            writer.put(UInt8(0))
        case .keep(let succeeded, let failed, let count):
            writer.put(UInt8(1))
            writer.put(succeeded.inMilliseconds)
            writer.put(failed.inMilliseconds)
            writer.put(Int64(count))
        }
        if let wait = settings.maxWait { writer.field(.maxWait, wait.inMilliseconds) }
        if settings.overflow == .dropOldest { writer.field(.overflow, UInt8(1)) }
        if let ttl = settings.ttl { writer.field(.ttl, ttl.inMilliseconds) }
        if let most = settings.maxDeliveries { writer.field(.maxDeliveries, Int64(most)) }
        if let queue = settings.deadLetterQueue { writer.field(.deadLetterQueue, queue) }
    }
}
