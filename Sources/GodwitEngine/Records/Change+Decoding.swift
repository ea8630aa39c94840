import GodwitCore
import GodwitJournal

extension Change {
    /// Reads a record's header. Bodies are not read: what they hold stays in the journal.
    /// - Parameters:
    ///   - kind: as the journal keeps it.
    ///   - bodyBytes: how long the record's body is.
    static func decode(kind: UInt8, header: UnsafeRawBufferPointer, bodyBytes: Int) throws(RecordError) -> (Stamp, Change)? {
        guard let kind = RecordKind(rawValue: kind) else { return nil }
        var reader = RecordReader(header)
        let stamp = try stamp(&reader)
        return (stamp, try decode(kind, stamp, bodyBytes, &reader))
    }

    /// The kind of a moved record, and where its own header begins in that of the move.
    static func movedKind(_ header: some RandomAccessCollection<UInt8>) throws(RecordError) -> (kind: UInt8, start: Int) {
        let start = 1 + 16 + 8
        guard header.count > start else { throw .truncated }
        return (header[header.index(header.startIndex, offsetBy: start)], start + 1)
    }

    static func skipStamp(_ reader: inout RecordReader) throws(RecordError) { _ = try stamp(&reader) }

    /// What every record begins with.
    private static func stamp(_ reader: inout RecordReader) throws(RecordError) -> Stamp {
        let layout: UInt8 = try reader.get()
        guard layout == Self.layout else { throw .newer("record layout \(layout)") }
        return Stamp(engine: try reader.time(), wall: try reader.time())
    }

    private static func decode(
        _ kind: RecordKind,
        _ stamp: Stamp,
        _ bodyBytes: Int,
        _ reader: inout RecordReader
    ) throws(RecordError) -> Change {
        switch kind {
        case .store:
            return .store(try StoreIdentity(decoding: &reader))
        case .level:
            return .level(try level(reader.get()))
        case .restored:
            let restoration = Restoration(incarnation: try reader.get(), epoch: try reader.get())
            guard restoration.epoch < .max else { throw .malformed("a number out of range") }
            return .restored(restoration)
        case .opened:
            return .opened(try opening(&reader))
        case .clock:
            return .clock
        case .reserved:
            return .reserved(end: try reader.sequence())
        case .queue:
            let queue: UInt32 = try reader.get(), name = try reader.text()
            guard let name = try? QueueName(name) else { throw .malformed("a queue name that is none") }
            let settings = try settings(&reader)
            return .queue(QueueChange(queue: queue, name: name, settings: settings))
        case .paused:
            return .paused(queue: try reader.get(), try reader.get(UInt8.self) != 0)
        case .purged:
            return .purged(queue: try reader.get())
        case .queueDeleted:
            return .queueDeleted(queue: try reader.get())
        case .published:
            let job = try publication(&reader).job
            guard job.onFinalBytes <= bodyBytes else { throw .malformed("what follows is longer than the record's body") }
            return .published(job)
        case .past:
            return .past(try Past(stamp, bodyBytes: bodyBytes, decoding: &reader))
        case .leased:
            return .leased(try grant(&reader))
        case .completed:
            let sequence = try reader.sequence(), attempts = try attempts(stamp, &reader), hasResult: UInt8 = try reader.get()
            var type = Content.json
            while let field = try reader.field() {
                switch field.tag {
                case .contentType: type = try field.text()
                default: try field.skip()
                }
            }
            let result = hasResult == 0 ? nil : Content(Bytes(), type: type)
            return .completed(Completion(sequence: sequence, attempts: attempts, result: result, resultBytes: bodyBytes))
        case .completedTogether:
            return .completedTogether(try reader.sequences())
        case .failed:
            var attempt = try failedAttempt(stamp, &reader)
            attempt.messageBytes = bodyBytes
            return .failed(attempt)
        case .released:
            var release = Release(sequence: try reader.sequence(), isCounted: try reader.get(UInt8.self) != 0)
            while let field = try reader.field() {
                switch field.tag {
                case .due: release.due = try field.time()
                case .position: release.position = try field.number()
                case .headers: release.amended = try field.headers()
                case .untouched: release.isUntouched = try field.integer(UInt8.self) != 0
                default: try field.skip()
                }
            }
            return .released(release)
        case .cancelled:
            return .cancelled(Cancellation(sequence: try reader.sequence(), attempts: try attempts(stamp, &reader)))
        case .retried:
            var retry = Retry(sequence: try reader.sequence(), position: try reader.number())
            if try reader.get(UInt8.self) != 0 { retry.revival = try revival(stamp, &reader) }
            return .retried(retry)
        case .redriven:
            return .redriven(sequence: try reader.sequence())
        case .forgotten:
            return .forgotten(sequence: try reader.sequence())
        case .due:
            var jobs: [DueJob] = []
            for _ in 0..<(try reader.variable()) { jobs.append(DueJob(sequence: try reader.sequence(), position: try reader.number())) }
            return .due(jobs)
        case .expired:
            return .expired(try reader.sequences())
        case .progressed:
            let sequence = try reader.sequence()
            var progress = JobProgress(fraction: Double(bitPattern: try reader.get()))
            while let field = try reader.field() {
                switch field.tag {
                case .note: progress.note = try field.text()
                default: try field.skip()
                }
            }
            return .progressed(sequence: sequence, progress)
        case .put:
            let key = try recordKey(&reader)
            var expires: Int64?
            while let field = try reader.field() {
                switch field.tag {
                case .expires: expires = try field.time()
                default: try field.skip()
                }
            }
            return .put(StoredValue(key: key, value: Bytes(), valueBytes: bodyBytes, expires: expires))
        case .added:
            return .added(try CountedStep(&reader, bodyBytes: bodyBytes))
        case .followed:
            return .followed(try FollowedEnd(&reader))
        case .deleted:
            return .deleted(key: try recordKey(&reader))
        case .swept:
            var sweep = Sweep(queue: try reader.get())
            guard let keys = Int(exactly: try reader.variable()) else { throw .malformed("a count out of range") }
            sweep.keys = keys
            sweep.sequences = try reader.sequences()
            return .swept(sweep)
        case .moved:
            let from = RecordLocation(segment: try reader.get(), offset: try reader.get()), kind: UInt8 = try reader.get()
            let header = reader.rest
            guard let thing = try MovedThing(kind: kind, header: header) else { throw .malformed("a record that is never moved") }
            return .moved(Move(from: from, thing: thing, kind: kind, header: Array(header), body: Bytes()))
        case .outcome:
            let id = Array(try reader.slice())
            let session = SessionName(id: id, number: try reader.number(), acknowledged: try reader.number())
            return .outcome(SessionOutcome(session: session, results: Array(try reader.slice())))
        case .sessionsEnded:
            var sessions: [[UInt8]] = []
            for _ in 0..<(try reader.variable()) { sessions.append(Array(try reader.slice())) }
            return .sessionsEnded(sessions)
        }
    }

    /// A publication with its stamp and what its message says beside the payload; `header` is the whole header of its record.
    static func message(header: UnsafeRawBufferPointer) throws(RecordError) -> (Stamp, Publication, StoredMessage) {
        var reader = RecordReader(header)
        let stamp = try stamp(&reader)
        let (job, message) = try publication(&reader)
        return (stamp, job, message)
    }

    private static func publication(_ reader: inout RecordReader) throws(RecordError) -> (job: Publication, message: StoredMessage) {
        var job = Publication(
            sequence: try reader.sequence(),
            queue: try reader.get(),
            maxAttempts: try reader.get(),
            priority: try reader.get(),
            size: Int(try reader.get(UInt32.self))
        )
        var message = StoredMessage()
        while let field = try reader.field() {
            switch field.tag {
            case .name: message.name = try field.text()
            case .contentType: message.contentType = try field.text()
            case .headers: message.headers = try field.headers()
            case .due: job.due = .engine(try field.time())
            case .dueAt: job.due = .wall(try field.time())
            case .expires: job.expires = try field.time()
            case .timeout: job.timeout = try field.time()
            case .key: job.key = Array(field.value)
            case .fingerprint: job.fingerprint = try field.integer()
            case .origin: job.origin = try field.number()
            case .created: job.created = try field.time()
            case .group: job.group = Array(field.value)
            case .claim: job.claim = Array(field.value)
            case .onFinal: job.onFinalBytes = Int(try field.integer(UInt32.self))
            case .deaths: message.deaths = try field.deaths()
            case .transient: job.isTransient = try field.integer(UInt8.self) != 0
            default: try field.skip()
            }
        }
        return (job, message)
    }

    /// A store's level.
    /// - Throws: ``RecordError/newer(_:)`` for one that this version does not know.
    static func level(_ number: UInt8) throws(RecordError) -> FormatLevel {
        let level = FormatLevel(rawValue: number)
        guard level <= .newest else { throw .newer("a store of format level \(level), above \(FormatLevel.newest)") }
        return level
    }

    private static func grant(_ reader: inout RecordReader) throws(RecordError) -> Grant {
        var grant = Grant(holder: HolderID(""), term: 0, endsWithProcess: false, firstFencing: try reader.fencing(), sequences: [])
        grant.term = try reader.time()
        grant.endsWithProcess = try reader.get(UInt8.self) != 0
        grant.sequences = try reader.sequences()
        while let field = try reader.field() {
            switch field.tag {
            case .holder: grant.holder = HolderID(try field.text())
            default: try field.skip()
            }
        }
        return grant
    }

    static func opening(_ reader: inout RecordReader) throws(RecordError) -> Opening {
        let epoch: UInt32 = try reader.get(), boot = try reader.time(), withheld = try reader.time()
        guard epoch < .max else { throw .malformed("a number out of range") }
        return Opening(epoch: epoch, bootID: try reader.text(), boot: boot, withheld: withheld)
    }

    static func attempts(_ stamp: Stamp, _ reader: inout RecordReader) throws(RecordError) -> Attempts {
        func count() throws(RecordError) -> UInt16 {
            guard let count = UInt16(exactly: try reader.variable()) else { throw .malformed("a count out of range") }
            return count
        }
        var attempts = Attempts(attempt: try count(), maxAttempts: try count(), deliveries: try count())
        if attempts.deliveries > 0 { attempts.started = stamp.wall &- (try reader.signed()) }
        return attempts
    }

    private static func revival(_ stamp: Stamp, _ reader: inout RecordReader) throws(RecordError) -> Retry.Revival {
        var revival = Retry.Revival(
            size: Int(try reader.get(UInt32.self)),
            priority: try reader.get(),
            attempts: try attempts(stamp, &reader)
        )
        while let field = try reader.field() {
            switch field.tag {
            case .timeout: revival.timeout = try field.time()
            case .group: revival.group = Array(field.value)
            case .claim: revival.claim = Array(field.value)
            case .onFinal: revival.hasFollowUps = try field.integer(UInt8.self) != 0
            default: try field.skip()
            }
        }
        return revival
    }

    private static func failedAttempt(_ stamp: Stamp, _ reader: inout RecordReader) throws(RecordError) -> FailedAttempt {
        var attempt = FailedAttempt(
            sequence: try reader.sequence(),
            attempts: try attempts(stamp, &reader),
            failure: Failure(message: ""),
            next: .final
        )
        while let field = try reader.field() {
            switch field.tag {
            case .due: attempt.next = .retry(try field.time())
            case .position: attempt.next = .queue(try field.number())
            case .code: attempt.failure.code = try field.text()
            case .reason: attempt.reason = try DeathReason(code: field.integer())
            default: try field.skip()
            }
        }
        return attempt
    }

    static func recordKey(_ reader: inout RecordReader) throws(RecordError) -> RecordKey {
        let home: RecordKey.Home
        switch try reader.get(UInt8.self) {
        case 0: home = .own
        case 1:
            guard let name = try? QueueName(try reader.text()) else { throw .malformed("a queue name that is none") }
            home = .queue(name)
        case 2: home = .job(JobID(try reader.text()))
        case let other: throw .newer("a record's home \(other)")
        }
        return RecordKey(try reader.text(), home: home)
    }

    /// Settings by themselves, as a checkpoint has them.
    static func settings(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> QueueSettings {
        var reader = RecordReader(bytes)
        return try settings(&reader)
    }

    private static func settings(_ reader: inout RecordReader) throws(RecordError) -> QueueSettings {
        let settings = try plainSettings(&reader)
        do throws(BrokerError) { try settings.validate() } catch { throw .malformed("settings that are none: \(error.message)") }
        return settings
    }

    private static func plainSettings(_ reader: inout RecordReader) throws(RecordError) -> QueueSettings {
        var settings = QueueSettings()
        func int() throws(RecordError) -> Int { Int(try reader.time()) }
        settings.maxJobs = try int()
        settings.maxBytes = try int()
        settings.maxAttempts = try int()
        settings.lease = .milliseconds(try int())
        settings.dedupWindow = .milliseconds(try int())
        settings.dedupMax = try int()
        switch try reader.get(UInt8.self) {
        case 0: settings.retention = .none
        case 1:
            let succeeded = try int(), failed = try int()
            settings.retention = .keep(succeeded: .milliseconds(succeeded), failed: .milliseconds(failed), count: try int())
        case let other: throw .newer("retention \(other)")
        }
        while let field = try reader.field() {
            switch field.tag {
            case .maxWait: settings.maxWait = .milliseconds(try field.time())
            case .overflow:
                guard try field.integer(UInt8.self) == 1 else { throw .newer("an overflow policy") }
                settings.overflow = .dropOldest
            case .ttl: settings.ttl = .milliseconds(try field.time())
            case .maxDeliveries: settings.maxDeliveries = Int(try field.time())
            case .deadLetterQueue: settings.deadLetterQueue = try field.text()
            default: try field.skip()
            }
        }
        return settings
    }
}

/// What a message says beside its payload and its place in the queue.
struct StoredMessage: Sendable, Hashable {
    var name: String?
    var contentType = Content.json
    var headers: [Header] = []
    var deaths: [StoredDeath] = []
}
