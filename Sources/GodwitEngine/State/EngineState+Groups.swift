import GodwitCore
import GodwitJournal

/// Ordered groups and claims.
///
/// Of a group only its first living member stands in its queue's line, or runs, or waits for its time; the others wait for its end. A member
/// that ends leaves; one that a purge ended does when it is met, or comes to the front: whatever is decided about a group clears its front
/// first, so that it makes no difference when exactly a purged one was met.
extension EngineState {
    /// Puts a job that is queued in the books into its line, unless it stands in a group behind others.
    mutating func lineUp(_ sequence: UInt64, _ entry: Entry, _ queue: Queue) {
        guard entry.pointee.flags.contains(.isGrouped), let group = groups.group(of: sequence) else {
            return enterLine(sequence, entry, queue)
        }
        let isChanged = clearFront(of: group)
        if groups.head(of: group) == sequence { return enterLine(sequence, entry, queue) }
        if isChanged { lineUpHead(of: group) }
        standBehind(sequence, entry.pointee, queue)
        noteBusy(queue)
    }

    mutating func join(_ group: [UInt8], _ sequence: UInt64, _ entry: Entry) {
        entry.pointee.flags.insert(.isGrouped)
        groups.append(sequence, to: GroupTable.Key(queue: entry.pointee.queue, name: group))
    }

    /// A job that had ended stands in its group again, at the back.
    mutating func rejoin(_ group: [UInt8], _ sequence: UInt64, _ entry: Entry) {
        // A checkpoint of an older version has those that ended in their places.
        groups.remove(sequence)
        join(group, sequence, entry)
    }

    /// A job that is at the front of its group goes behind the others.
    mutating func goToBackOfGroup(_ sequence: UInt64, _ entry: Entry) {
        guard entry.pointee.flags.contains(.isGrouped), let group = groups.group(of: sequence) else { return }
        _ = clearFront(of: group)
        guard groups.head(of: group) == sequence else { return }
        groups.rotate(group)
        _ = clearFront(of: group)
        if groups.head(of: group) != sequence { lineUpHead(of: group) }
    }

    /// A job ended: it is in the table of unfinished ones no more, in its group, or at its claim.
    mutating func removeUnfinished(_ sequence: UInt64, _ flags: JobEntry.Flags) {
        jobs.remove(sequence)
        if flags.contains(.hasClaim) { claims.remove(sequence) }
        if flags.contains(.isGrouped) { leaveGroup(sequence) }
    }

    private mutating func leaveGroup(_ sequence: UInt64) {
        guard let group = groups.group(of: sequence) else { return }
        let wasFirst = groups.head(of: group) == sequence
        groups.remove(sequence)
        if clearFront(of: group) || wasFirst { lineUpHead(of: group) }
    }

    /// Takes those that ended out of the front of a group; answers whether there were any.
    private mutating func clearFront(of group: UInt32) -> Bool {
        var isChanged = false
        while let head = groups.head(of: group), !isAlive(head) {
            groups.remove(head)
            isChanged = true
        }
        return isChanged
    }

    /// Whether a job is unfinished, without bringing it up to date.
    func isAlive(_ sequence: UInt64) -> Bool {
        guard let entry = jobs.find(sequence) else { return false }
        let queue = queues.at(entry.pointee.queue)
        return !queue.pointee.isDeleted && !isPurged(entry.pointee, queue)
    }

    /// It is the turn of another member: if it is queued, it stands in line from now on.
    private mutating func lineUpHead(of group: UInt32) {
        guard let head = groups.head(of: group), let entry = jobs.edit(head), entry.pointee.state == .queued else { return }
        enterLine(head, entry, queues.at(entry.pointee.queue))
    }

    // MARK: Claims

    /// The unfinished job that owns a claim.
    func owner(of claim: [UInt8], in queue: UInt32) -> UInt64? {
        guard let owner = claims[ClaimTable.Key(claim, in: queue, identity)], ownsClaim(owner) else { return nil }
        return owner
    }

    private func ownsClaim(_ sequence: UInt64) -> Bool {
        isAlive(sequence) && jobs.find(sequence)?.pointee.flags.contains(.hasClaim) ?? false
    }

    mutating func own(_ claim: [UInt8], _ sequence: UInt64, _ entry: Entry) {
        entry.pointee.flags.insert(.hasClaim)
        claims.insert(ClaimTable.Key(claim, in: entry.pointee.queue, identity), sequence)
    }

    /// Takes away what a checkpoint of an older version has of jobs that had ended.
    mutating func dropClaimsOfEnded() {
        var table = ClaimTable()
        swap(&table, &claims)
        table.removeAll { !ownsClaim($0) }
        swap(&table, &claims)
    }

    // MARK: Amendments

    mutating func setAmendment(_ amendment: KeptRecord, _ sequence: UInt64, _ entry: Entry) {
        if let old = extra(sequence, entry.pointee)?.amendment { use.remove(old.location, old.size) }
        use.add(amendment.location, amendment.size)
        withExtra(sequence, entry) { $0.amendment = amendment }
    }
}
