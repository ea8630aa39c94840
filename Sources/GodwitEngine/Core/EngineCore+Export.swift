import GodwitCore
import GodwitJournal

/// A job as the core hands it out for an export.
struct ExportView: Sendable {
    var view: JobView
    /// Milliseconds until it expires; nil when it does not.
    var expires: Int64?
    /// Engine time up to which the keys of its queue are forgotten.
    var keysForgotten: Int64
}

/// Jobs to be exported, and what keeps their records where they are while they are read.
struct ExportViews: Sendable {
    var jobs: [ExportView] = []
    var next: String?
    var pin: JournalPin
}

/// Small records to be exported.
struct ExportedRecordViews: Sendable {
    struct Item: Sendable {
        var key: RecordKey
        var location: RecordLocation
        /// Milliseconds; nil when it has no end.
        var lifetime: Int64?
    }

    var records: [Item] = []
    var next: String?
    var pin: JournalPin
}

extension EngineCore {
    mutating func export(_ ticket: Ticket, _ query: ExportQuery) {
        var at: UInt64 = 0
        if let cursor = query.cursor {
            guard let (sequence, _, _) = Base32.words(cursor, count: 1), sequence < state.nextSequence else {
                return answerNow(ticket, .refused(Self.badCursor))
            }
            at = sequence
        }
        var queue: UInt32?
        if let name = query.queue {
            guard let number = state.queues.numbers[name] else {
                return hold(ticket, .refused(.queueNotFound(name.description)), until: state.change)
            }
            queue = number
        }
        let until = state.change
        var views = ExportViews(pin: journal.pin()), looked = 0, bytes = 0
        while let sequence = query.includesFinished ? state.firstJob(from: at + 1) : state.jobs.first(from: at + 1) {
            guard views.jobs.count < query.limit, looked < Limits.pageScan else {
                views.next = Base32.text(at)
                break
            }
            looked += 1
            // What is transient stays with the process that has it.
            if let job = state.job(sequence), !job.isTransient, queue == nil || job.queue == queue,
                query.includesFinished || !job.state.isFinal
            {
                bytes += job.exportBytes
                guard views.jobs.isEmpty || bytes <= Limits.leaseBytes else {
                    views.next = Base32.text(at)
                    break
                }
                views.jobs.append(exportView(sequence, job))
            }
            at = sequence
        }
        hold(ticket, .exports(views), until: until)
    }

    private func exportView(_ sequence: UInt64, _ job: EngineState.Job) -> ExportView {
        let view = view(sequence, job)
        var expires: Int64?
        if case .unfinished(let entry) = job, entry.pointee.state.isWaiting {
            expires = view.extra?.expires.map { max($0 - now.engine, 1) }
        }
        let window = state.queues.at(job.queue).pointee.settings.dedupWindow.inMilliseconds
        return ExportView(view: view, expires: expires, keysForgotten: now.engine - window)
    }

    mutating func exportRecords(_ ticket: Ticket, after cursor: String?, named prefix: String?) {
        // Records go by the part of the dictionary that they are in, and in it by the change that put them: a part never changes.
        var part = 0, after: UInt64 = 0
        if let cursor {
            guard let (first, second, _) = Base32.words(cursor, count: 2), first < 1 << 16 else {
                return answerNow(ticket, .refused(Self.badCursor))
            }
            (part, after) = (Int(first), second)
        }
        let until = state.change
        var views = ExportedRecordViews(pin: journal.pin()), bytes = 0, looked = 0
        let parts = state.records.parts
        while part < parts.count {
            let records = parts[part]
            let rest = records.filter { $0.value.change > after && (prefix.map($0.key.name.hasPrefix) ?? true) }
                .sorted { $0.value.change < $1.value.change }
            for (key, record) in rest {
                bytes += record.size.bytes
                guard views.records.isEmpty || (views.records.count < Limits.page && bytes <= Limits.leaseBytes) else {
                    views.next = Base32.text(UInt64(part), after)
                    return hold(ticket, .exportedRecords(views), until: until)
                }
                after = record.change
                let lifetime = record.expires.map { max($0 - now.engine, 1) }
                views.records.append(ExportedRecordViews.Item(key: key, location: record.location, lifetime: lifetime))
            }
            looked += records.count
            part += 1
            after = 0
            if looked >= Limits.pageScan, part < parts.count {
                views.next = Base32.text(UInt64(part), after)
                break
            }
        }
        hold(ticket, .exportedRecords(views), until: until)
    }
}

extension EngineState.Job {
    /// About how much it takes of a page.
    fileprivate var exportBytes: Int {
        switch self {
        case .unfinished(let entry): Int(entry.pointee.size)
        case .finished(let entry): entry.pointee.messageClass.bytes + entry.pointee.finalClass.bytes
        }
    }
}
