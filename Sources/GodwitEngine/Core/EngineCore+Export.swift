import GodwitCore
import GodwitJournal

/// An unfinished job as the core hands it out for an export.
struct ExportView: Sendable {
    var view: JobView
    /// Milliseconds until it expires; nil when it does not.
    var expires: Int64?
}

/// Jobs to be exported, and what keeps their records where they are while they are read.
struct ExportViews: Sendable {
    var jobs: [ExportView] = []
    var next: String?
    var pin: JournalPin
}

extension EngineCore {
    mutating func export(_ ticket: Ticket, _ query: ExportQuery) {
        var at: UInt64 = 0
        if let cursor = query.cursor {
            guard let (sequence, _, _) = Base32.words(cursor, count: 1), sequence < state.nextSequence else {
                return answerNow(ticket, .refused(.invalidArgument("cursor", "this cursor is not one that a page gave: start without one")))
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
        while let sequence = state.jobs.first(from: at + 1) {
            guard views.jobs.count < query.limit, looked < Limits.pageScan else {
                views.next = Base32.text(at)
                break
            }
            looked += 1
            if let entry = state.unfinishedJob(sequence), queue == nil || entry.pointee.queue == queue {
                bytes += Int(entry.pointee.size)
                guard views.jobs.isEmpty || bytes <= Limits.leaseBytes else {
                    views.next = Base32.text(at)
                    break
                }
                let expires = state.extra(sequence, entry.pointee)?.expires.map { max($0 - now.engine, 1) }
                views.jobs.append(ExportView(view: view(sequence, .unfinished(entry)), expires: expires))
            }
            at = sequence
        }
        hold(ticket, .exports(views), until: until)
    }
}
