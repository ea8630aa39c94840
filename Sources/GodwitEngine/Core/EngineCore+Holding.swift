import GodwitCore
import GodwitJournal

/// A holder that was closed while it had leases.
struct ClosingHolder {
    var id: HolderID
    /// Its leases have fencing numbers below this one: others it has taken since.
    var end: UInt64
}

/// Leases in the hands of their holders.
extension EngineCore {
    mutating func renew(_ ticket: Ticket, _ renewals: [Renewal]) throws(JournalError) {
        var outcomes: [RenewalOutcome] = [], isAnyGood = false
        /// Those whose lease is gone by what is not durable yet, and up to which change that is.
        var unsure: [Int] = [], until: UInt64 = 0
        outcomes.reserveCapacity(renewals.count)
        for renewal in renewals {
            guard let lease = state.identity.lease(of: renewal.token) else {
                outcomes.append(.stale)
                continue
            }
            guard let (_, place) = state.lease(lease.sequence, lease.fencing) else {
                let change = state.job(lease.sequence)?.change ?? state.removal
                if change > syncedChange {
                    unsure.append(outcomes.count)
                    until = max(until, change)
                }
                outcomes.append(state.cancelRequests[lease.fencing] == nil ? .stale : .cancelRequested)
                continue
            }
            isAnyGood = true
            if let term = renewal.term { state.leases[place].term = term.inMilliseconds }
            let term = state.leases[place].term
            state.leases[place].deadline = term == 0 ? .max : state.leaseNow + term
            state.setTimer(place)
            outcomes.append(.good(remaining: term == 0 ? Limits.longestLease : .milliseconds(term)))
            guard let progress = renewal.progress else { continue }
            do { try record(.progressed(sequence: lease.sequence, progress.bounded), for: .publish) } catch {
                // A heartbeat must not fail because its progress finds no room: on a full disk that is kept for those who end something.
                if error != .noSpace { throw error }
            }
        }
        if isAnyGood, !unsure.isEmpty {
            // The good ones cannot wait for a sync, however long it takes: of the others nothing is said yet.
            for index in unsure { outcomes[index] = .unreachable }
            until = 0
        }
        hold(ticket, .renewals(outcomes), until: until)
    }

    mutating func closeHolder(_ ticket: Ticket, _ id: HolderID) throws(JournalError) {
        heldNames -= holders.removeValue(forKey: id)?.names.count ?? 0
        for other in leaseWaits.filter({ $0.value.request.holder.id == id }).keys.sorted() {
            endWait(other)
            answerNow(other, .deliveries([]))
        }
        closing.append(ClosingHolder(id: id, end: state.nextFencing))
        try releaseLeasesOfClosed()
        hold(ticket, .done, until: state.change)
    }

    /// Gives back what closed holders had. Without room on the disk that goes on when there is some: nobody else would end a lease for life.
    mutating func releaseLeasesOfClosed() throws(JournalError) {
        while let holder = closing.first {
            var waiting: [LeaseName] = []
            for place in state.leases.places(of: holder.id) where state.leases[place].fencing < holder.end {
                let lease = state.leases[place]
                guard let entry = state.unfinishedJob(lease.sequence) else { continue }
                if try !giveBack(lease.sequence, entry) { waiting.append(LeaseName(sequence: lease.sequence, fencing: lease.fencing)) }
            }
            postponed.releases += waiting
            closing.removeFirst()
        }
    }

    /// Gives back a job that a closed holder had.
    /// - Returns: false when it has been delivered too often, and its dead letter cannot be read just now, or is large and has no room: the
    ///   holders' others may have some.
    mutating func giveBack(_ sequence: UInt64, _ entry: Entry) throws(JournalError) -> Bool {
        try openDeadLetterQueue(of: entry.pointee.queue)
        let purpose = purposeOfRelease(entry)
        guard hasRoom(for: purpose) else { return false }
        draft.begin(nextSequence: state.nextSequence)
        return try recordDeath(released(Release(sequence: sequence, isCounted: false), entry).0, for: purpose)
    }
}
