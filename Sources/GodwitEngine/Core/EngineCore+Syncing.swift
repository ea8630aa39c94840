import DequeModule
import GodwitCore
import GodwitJournal

extension EngineCore {
    /// What the owner of the core is to do about the journal next.
    enum SyncNeed: Equatable {
        case none
        /// In this many milliseconds, unless something comes up before.
        case later(Int64)
        case now
    }

    var syncNeed: SyncNeed {
        guard failure == nil, !journal.isSynced else { return .none }
        if !held.isEmpty { return .now }
        guard let unsyncedSince else { return .none }
        let rest = unsyncedSince + Self.leaseSyncDelay - instant.boot
        return rest <= 0 ? .now : .later(rest)
    }

    /// Writes the group in memory, and begins a sync of all that is written; nil when there is nothing to sync, or one is under way.
    mutating func beginSync() -> JournalSync? {
        do {
            try journal.write()
            let sync = journal.beginSync()
            if sync != nil { syncBegan = instant.boot }
            return sync
        } catch {
            note(error)
            return nil
        }
    }

    mutating func endSync(_ sync: JournalSync, failure error: JournalError?) {
        journal.endSync(sync, failure: error)
        if let error {
            note(journal.failure ?? error)
        } else {
            noteSynced()
        }
    }

    mutating func noteSynced() {
        while let first = groups.first, first.group <= journal.syncedGroup {
            syncedChange = first.change
            groups.removeFirst()
        }
        reservations.noteSynced(syncedChange)
        // What is left may be as old as the sync that ended now was when it began.
        unsyncedSince = groups.isEmpty ? nil : syncBegan
        guard !held.isEmpty else { return }
        var rest: [Held] = []
        for item in held {
            if item.until <= syncedChange { answers.append((item.ticket, item.answer)) } else { rest.append(item) }
        }
        held = rest
    }

    /// When the journal has been idle for a second, says on disk what is durable.
    mutating func markIfIdle() {
        guard failure == nil, journal.needsMark, instant.boot - lastRecorded >= Self.idleBeforeMark else { return }
        do { try journal.writeMark() } catch { note(error) }
    }

    /// Milliseconds until the next turn is needed though nobody asks for one; nil for never.
    var nextTurn: Int64? {
        if failure != nil { return nil }
        if !state.cleanings.isEmpty, !isOwingMuch { return 0 }
        var rest: Int64?
        func within(_ time: Int64) { rest = min(rest ?? .max, max(time, 0)) }
        if let timer = waitTimers.first { within(min(timer.time - now.engine, Self.longestWait)) }
        if !state.stirredQueues.isEmpty { within(Self.noSpaceDelay) }
        if case .later(let time) = syncNeed { within(time) }
        if journal.needsMark { within(lastRecorded + Self.idleBeforeMark - instant.boot) }
        if victim != nil, !isScanning { within(noScanBefore - instant.boot) }
        guard dueBlockedUntil <= instant.boot else {
            within(dueBlockedUntil - instant.boot)
            return rest
        }
        if hasMoreDue || isOwing || !closing.isEmpty { return 0 }
        if !postponed.isEmpty { within((postponed.retry ?? instant.boot) - instant.boot) }
        if let owedRetry { within(owedRetry - instant.boot) }
        if state.leases.count > 0 {
            within(500)
            if let timer = state.leaseTimers.first { within(timer.time - state.leaseNow) }
        }
        for timer in [state.due.first, state.expiries.first, state.recordTimers.first] {
            if let timer { within(min(timer.time - now.engine, Self.longestWait)) }
        }
        // The wall clock may be set at any time.
        if let timer = state.dueAt.first { within(min(timer.time - now.wall, Self.longestWait)) }
        if state.sessions.count > 0 { within(nextSessionSweep - now.engine) }
        if state.nextSweep != .max, !isClockDoubtful { within(state.nextSweep - now.engine) }
        within(lastClockRecord + Self.clockRecordInterval - instant.boot)
        return rest
    }

    /// Notes the time once in a while, so that a machine that was off for long is told from a store that had nothing to do.
    mutating func recordClockIfDue() throws(JournalError) {
        guard instant.boot - lastClockRecord >= Self.clockRecordInterval else { return }
        lastClockRecord = instant.boot
        try record(.clock, for: .settle)
    }

    mutating func sweepCancelRequestsIfDue() {
        guard !state.cancelRequests.isEmpty, state.leaseNow >= nextCancelSweep else { return }
        nextCancelSweep = state.leaseNow + 1_000
        let now = state.leaseNow
        state.cancelRequests = state.cancelRequests.filter { $0.value > now }
    }
}
