import GodwitCore

/// A call that waits for something to change.
struct Watch {
    var items: [WatchItem]
    /// The jobs among them that this store made.
    var jobs: [UInt64]
    var records: [RecordKey]
}

extension EngineCore {
    mutating func watch(_ ticket: Ticket, _ items: [WatchItem], _ wait: Int64) {
        let (views, until, hasChanged) = look(items)
        guard !hasChanged, wait > 0, !items.isEmpty else { return hold(ticket, .watched(views), until: until) }
        var watch = Watch(items: items, jobs: [], records: [])
        for item in items {
            switch item {
            case .job(let id, _):
                guard let sequence = state.identity.sequence(of: id) else { continue }
                watch.jobs.append(sequence)
                jobWatchers[sequence, default: []].insert(ticket)
                state.watchedJobs.insert(sequence)
            case .record(let key, _):
                watch.records.append(key)
                recordWatchers[key, default: []].insert(ticket)
                state.watchedRecords.insert(key)
            }
        }
        watches[ticket] = watch
        waitTimers.insert(now.engine.addingClamped(wait), ticket)
    }

    /// The items as they are now, and whether one of them is not as its watcher knows it.
    private mutating func look(_ items: [WatchItem]) -> (views: [WatchView], until: UInt64, hasChanged: Bool) {
        var views: [WatchView] = [], until: UInt64 = 0, hasChanged = false
        views.reserveCapacity(items.count)
        for item in items {
            switch item {
            case .job(let id, let known):
                let (view, change) = lookUp(id)
                if case .found(let job) = view, known?.number == job.change {
                    views.append(.unchanged)
                    continue
                }
                views.append(.job(view))
                until = max(until, change)
            case .record(let key, let known):
                let (view, change) = lookUp(key)
                if view?.version == known {
                    views.append(.unchanged)
                    continue
                }
                views.append(.record(view))
                until = max(until, change)
            }
            hasChanged = true
        }
        return (views, until, hasChanged)
    }

    /// Answers those who watch what changed in this turn.
    mutating func answerWatches() {
        guard !state.changedJobs.isEmpty || !state.changedRecords.isEmpty else { return }
        var tickets: Set<Ticket> = []
        for sequence in state.changedJobs { tickets.formUnion(jobWatchers[sequence] ?? []) }
        for key in state.changedRecords { tickets.formUnion(recordWatchers[key] ?? []) }
        state.changedJobs.removeAll()
        state.changedRecords.removeAll()
        for ticket in tickets.sorted() {
            guard let watch = watches[ticket] else { continue }
            let (views, until, hasChanged) = look(watch.items)
            guard hasChanged else { continue }
            endWatch(ticket)
            hold(ticket, .watched(views), until: until)
        }
    }

    /// The time of a watch is over: it is answered as things are.
    mutating func answerWatch(_ ticket: Ticket) {
        guard let watch = watches[ticket] else { return }
        let (views, until, _) = look(watch.items)
        endWatch(ticket)
        hold(ticket, .watched(views), until: until)
    }

    mutating func endWatch(_ ticket: Ticket) {
        guard let watch = watches.removeValue(forKey: ticket) else { return }
        for sequence in watch.jobs {
            jobWatchers[sequence]?.remove(ticket)
            guard jobWatchers[sequence]?.isEmpty ?? false else { continue }
            jobWatchers[sequence] = nil
            state.watchedJobs.remove(sequence)
        }
        for key in watch.records {
            recordWatchers[key]?.remove(ticket)
            guard recordWatchers[key]?.isEmpty ?? false else { continue }
            recordWatchers[key] = nil
            state.watchedRecords.remove(key)
        }
        noteWaitTimerStale()
    }
}
