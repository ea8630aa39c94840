package import GodwitCore
package import GodwitJournal

/// What a closed store holds, and what is wrong with it: found without changing anything.
package struct StoreExamination: Sendable {
    /// Something that is not as it was written, or does not fit.
    package struct Finding: Sendable {
        /// The file's name in the folder.
        package var file: String
        package var offset: UInt64
        /// How far it reaches at most; 0 where that is not known.
        package var bytes: Int
        package var what: String
        /// How many records are lost with it; nil when that cannot be known.
        package var lostRecords: UInt64?
        /// The number of the first of them, where that is known.
        package var firstLostRecord: UInt64?
        /// Whether a whole file is not there: a repair has to note that records are lost.
        package var isMissingFile = false
        /// What it affects, as far as that can still be read.
        package var affects: [Effect]
    }

    /// Something that a damage affects.
    package struct Effect: Sendable, Hashable {
        /// What is lost of it, such as `payload` or `completion`.
        package var what: String
        package var job: JobID?
        package var queue: QueueName?
    }

    /// A segment, and what of it is still needed.
    package struct Segment: Sendable {
        package var file: StoreReport.Segment
        /// The records that something points to, and about how many bytes they take.
        package var liveRecords: Int
        package var liveBytes: Int
    }

    package var report: StoreReport
    package var findings: [Finding] = []
    /// Damages that affect nothing: what lay there is needed no more, and is given back with its segment.
    package var harmless: [Finding] = []
    package var segments: [Segment] = []
    /// What its records may say.
    package var level = FormatLevel.unnamed
    /// As an opening would find them; up to the first damage, if there is one.
    package var queues: [QueueStatus] = []
    /// Changes that do not fit what a repair left, and are passed over by every opening.
    package var passedOver = 0

    package var isSound: Bool { findings.isEmpty }
    /// Whether there is no store at all.
    package var isEmpty: Bool { report.segments.isEmpty && report.checkpoints.isEmpty && isSound }
    package var liveBytes: Int { segments.reduce(0) { $0 + $1.liveBytes } }

    /// Looks through a store that nobody has open: every checkpoint, every record, and whether the engine takes them.
    /// - Throws: ``BrokerError``: `storeLocked`, `storeFailed` when it cannot be read; `storeNewer` when a newer version wrote it.
    package init(of storage: any Storage) throws(BrokerError) {
        do {
            self = try Examiner.run(storage)
        } catch let error as JournalError {
            throw BrokerError(error)
        } catch let error as BrokerError {
            throw error
        } catch {
            throw BrokerError(.storeFailed, "the store could not be read: \(error)", cause: error)
        }
    }

    fileprivate init(report: StoreReport) { self.report = report }
}

/// Builds the state that an opening would build, as far as that is possible.
private final class Examiner {
    private var state = EngineState()
    private var findings: [StoreExamination.Finding] = []
    /// Whether the state is that of an opening up to here.
    private var isWhole = true
    private var nextRecord: UInt64?
    private var checkpoint = CheckpointRestore()

    static func run(_ storage: any Storage) throws -> StoreExamination {
        let inspection = try StoreInspection(storage)
        let examiner = Examiner()
        let report = try inspection.walk(
            restore: { try examiner.restore($0, $1) },
            record: { try examiner.take($0, isReplayed: $1) }
        )
        try examiner.endRestore()
        return examiner.conclude(report, inspection.reader)
    }

    private func restore(_ section: UInt8, _ bytes: UnsafeRawBufferPointer) throws {
        do throws(RecordError) { try checkpoint.take(section, bytes, into: &state) } catch {
            throw BrokerError(error, inCheckpointOf: "the store")
        }
    }

    /// The checkpoint, if there is one, is read.
    private func endRestore() throws {
        guard checkpoint.hasBegun else { return }
        do throws(RecordError) { try checkpoint.end(&state) } catch { throw BrokerError(error, inCheckpointOf: "the store") }
        checkpoint = CheckpointRestore()
    }

    private func take(_ record: borrowing ReplayedRecord, isReplayed: Bool) throws {
        try endRestore()
        do throws(RecordError) {
            guard isReplayed else {
                _ = try Change.decode(kind: record.kind, header: record.header, bodyBytes: record.body.count)
                return
            }
            // Behind a hole nothing need fit any more.
            if let nextRecord, record.number != nextRecord { isWhole = false }
            nextRecord = record.number + 1
            guard isWhole else {
                _ = try Change.decode(kind: record.kind, header: record.header, bodyBytes: record.body.count)
                return
            }
            try state.replay(record)
        } catch {
            if case .newer(let what) = error { throw JournalError.newerFormat(file: record.location.file, what: what) }
            isWhole = false
            findings.append(
                StoreExamination.Finding(
                    file: record.location.file,
                    offset: UInt64(record.location.offset),
                    bytes: record.header.count + record.body.count,
                    what: error.text,
                    lostRecords: 0,
                    affects: effects(kind: record.kind, header: record.header, at: record.location)
                )
            )
        }
    }

    private func conclude(_ report: StoreReport, _ reader: JournalReader) -> StoreExamination {
        var examination = StoreExamination(report: report)
        // Every opening drops what is transient. What does not fit then is told by the findings that are there.
        if isWhole { try? state.dropTransients() }
        examination.findings = findings
        for damage in report.damages {
            var finding = StoreExamination.Finding(
                file: damage.file,
                offset: damage.offset,
                bytes: damage.bytes,
                what: damage.what,
                lostRecords: damage.lostRecords,
                firstLostRecord: damage.firstLostRecord,
                affects: []
            )
            if let segment = segmentBeforeCut(damage, report) {
                // The checkpoint says what of it is needed; each record is read for itself, whatever became of those beside it.
                let needs = state.needs(in: segment, damage.offset..<damage.offset + UInt64(max(damage.bytes, 1)))
                finding.affects = needs.filter { (try? reader.record(at: $0.location)) == nil }.map(\.effect)
                finding.lostRecords = UInt64(finding.affects.count)
                if finding.affects.isEmpty { examination.harmless.append(finding) } else { examination.findings.append(finding) }
            } else {
                for record in damage.records {
                    finding.affects += record.header.withUnsafeBytes { effects(kind: record.kind, header: $0, at: record.location) }
                }
                examination.findings.append(finding)
            }
        }
        examination.findings += missingSegments(report)
        examination.segments = report.segments.map { segment in
            let use = state.use[segment.number]
            return StoreExamination.Segment(file: segment, liveRecords: use.things, liveBytes: use.bytes)
        }
        for number in 0..<UInt32(state.queues.count) {
            let queue = state.queues.at(number)
            if !queue.pointee.isDeleted { examination.queues.append(QueueStatus(queue.pointee)) }
        }
        examination.queues.sort { $0.name < $1.name }
        examination.passedOver = state.passedOver
        examination.level = state.level
        return examination
    }

    /// The segment of a damage that lies in what the newest checkpoint stands for; nil behind its cut.
    private func segmentBeforeCut(_ damage: StoreDamage, _ report: StoreReport) -> UInt32? {
        // A header, and a file that is too short, keep the store from opening wherever they are; they are said without an extent.
        guard isWhole, damage.bytes > 0, let cut = report.cut, let segment = report.segments.first(where: { $0.file == damage.file }),
            RecordLocation(segment: segment.number, offset: UInt32(clamping: damage.offset)) < cut
        else { return nil }
        return segment.number
    }

    /// Segments that are needed and not there.
    private func missingSegments(_ report: StoreReport) -> [StoreExamination.Finding] {
        guard isWhole, !state.hasLosses else { return [] }
        let there = Set(report.segments.map(\.number))
        return state.use.segments.filter { !there.contains($0) }.map { number in
            StoreExamination.Finding(
                file: RecordLocation(segment: number, offset: 0).file,
                offset: 0,
                bytes: 0,
                what: "the file is missing, and \(state.use[number].things) records in it are needed",
                lostRecords: UInt64(state.use[number].things),
                isMissingFile: true,
                affects: state.needs(in: number, 0..<UInt64(UInt32.max)).map(\.effect)
            )
        }
    }

    /// What a record was about whose header can be read.
    private func effects(kind: UInt8, header: UnsafeRawBufferPointer, at location: RecordLocation) -> [StoreExamination.Effect] {
        guard let decoded = try? Change.decode(kind: kind, header: header, bodyBytes: 0) else { return [] }
        let what = decoded.1.whatIsLost
        guard !what.isEmpty else { return [] }
        if case .queue(let change) = decoded.1 { return [StoreExamination.Effect(what: what, queue: change.name)] }
        let sequences = decoded.1.sequences
        guard !sequences.isEmpty else { return [StoreExamination.Effect(what: what)] }
        return sequences.map { sequence in
            StoreExamination.Effect(
                what: what,
                job: state.isNew ? nil : state.identity.jobID(sequence),
                queue: queue(of: sequence, decoded.1)
            )
        }
    }

    private func queue(of sequence: UInt64, _ change: Change) -> QueueName? {
        var number: UInt32?
        if case .published(let job) = change { number = job.queue }
        number = number ?? state.jobs.find(sequence)?.pointee.queue ?? state.finished.find(sequence)?.pointee.queue
        guard let number, let queue = state.queues[number] else { return nil }
        return queue.pointee.name
    }
}

extension QueueStatus {
    /// A queue as it stands, without what only a running engine knows.
    fileprivate init(_ queue: QueueState) {
        self.init(
            name: queue.name,
            settings: queue.settings,
            settingsVersion: Version(queue.settingsChange),
            isPaused: queue.isPaused,
            counts: queue.counts,
            bytes: queue.bytes,
            keys: queue.keys.count,
            totals: Totals(),
            oldestQueued: nil
        )
    }
}

extension Change {
    /// What is lost when this record is.
    fileprivate var whatIsLost: String {
        switch self {
        case .store: "the store's identity"
        case .level: "the store's format level"
        case .opened, .restored: "an opening"
        case .clock: ""
        case .reserved: "a reservation of numbers"
        case .queue: "a queue's settings"
        case .paused: "a pause or its end"
        case .purged: "a purge"
        case .queueDeleted: "a queue's deletion"
        case .published: "payload"
        case .past(let past):
            switch past.step {
            case .failure: "error of a failed attempt"
            case .progress: "how far it had come"
            case .end: "result or error"
            }
        case .leased: "delivery"
        case .completed, .completedTogether: "completion"
        case .failed: "failed attempt"
        case .released: "release"
        case .cancelled: "cancellation"
        case .retried: "retry"
        case .forgotten, .swept: "removal"
        case .due: "end of a delay"
        case .expired: "expiry"
        case .progressed: "progress"
        case .put, .deleted: "a record"
        case .added: "a counter's step"
        case .followed: "what followed an end"
        case .moved(let move): move.thing.isMessage ? "payload" : "a record"
        case .redriven: "a dead letter's return"
        case .outcome: "what a session's transaction came to"
        case .sessionsEnded: "the end of sessions"
        }
    }

    /// The jobs that it is about.
    fileprivate var sequences: [UInt64] {
        switch self {
        case .published(let job): [job.sequence]
        case .past(let past): [past.sequence]
        case .leased(let grant): grant.sequences
        case .completed(let completion): [completion.sequence]
        case .failed(let attempt): [attempt.sequence]
        case .released(let release): [release.sequence]
        case .cancelled(let cancellation): [cancellation.sequence]
        case .retried(let retry): [retry.sequence]
        case .forgotten(let sequence), .redriven(let sequence), .progressed(let sequence, _): [sequence]
        case .due(let jobs): jobs.map(\.sequence)
        case .expired(let sequences), .completedTogether(let sequences): sequences
        case .swept(let sweep): sweep.sequences
        case .moved(let move): move.thing.jobs
        case .store, .level, .opened, .restored, .clock, .reserved: []
        case .queue, .paused, .purged, .queueDeleted, .put, .deleted, .added, .followed, .outcome, .sessionsEnded: []
        }
    }
}
