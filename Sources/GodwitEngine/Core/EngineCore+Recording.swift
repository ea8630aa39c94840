import DequeModule
import GodwitCore
import GodwitJournal

/// Records go into the journal, answers out of the core; what an answer rests on is durable first.
extension EngineCore {
    /// Records a change and applies it.
    /// - Throws: ``JournalError/noSpace`` or ``JournalError/olderFormat(level:needed:)`` with nothing changed; anything else means that the
    ///   store has failed.
    mutating func record(_ change: Change, for purpose: Journal.Purpose) throws(JournalError) {
        try checkLevel(of: change)
        writer.removeAll()
        change.encode(now, into: &writer)
        let body = change.body
        try journal.reserve(Journal.recordBytes(header: writer.bytes.count, body: body.count), for: purpose)
        try append(change, header: writer.bytes[...], body: body)
    }

    /// Records changes that happen together or not at all.
    /// - Parameter more: bytes of records that are appended right behind them, for which there is room then, too.
    mutating func record(_ changes: [Change], for purpose: Journal.Purpose, reserving more: Int = 0) throws(JournalError) {
        if changes.count == 1, more == 0 { return try record(changes[0], for: purpose) }
        for change in changes { try checkLevel(of: change) }
        writer.removeAll()
        var ends: [Int] = [], total = 0
        ends.reserveCapacity(changes.count)
        for change in changes {
            let start = writer.bytes.count
            change.encode(now, into: &writer)
            ends.append(writer.bytes.count)
            total += Journal.recordBytes(header: writer.bytes.count - start, body: change.body.count)
        }
        try journal.reserve(total + more, for: purpose)
        var start = 0
        for (change, end) in zip(changes, ends) {
            try append(change, header: writer.bytes[start..<end], body: change.body)
            start = end
        }
    }

    private func checkLevel(of change: Change) throws(JournalError) {
        let needed = change.level
        guard needed <= state.level else { throw .olderFormat(level: state.level.rawValue, needed: needed.rawValue) }
    }

    /// Raises the store's level to the newest.
    mutating func upgrade(_ ticket: Ticket) throws(JournalError) {
        let before = state.level
        if before < .newest { try record(.level(.newest), for: .settle) }
        hold(ticket, .level(before), until: state.change)
    }

    private mutating func append(_ change: Change, header: ArraySlice<UInt8>, body: Bytes) throws(JournalError) {
        let location = journal.append(kind: change.kind.rawValue, critical: true, header: header.span.bytes, body: body.slice.span.bytes)
        do {
            try state.apply(change, now, at: location)
        } catch {
            // What is in the journal's memory must never reach the disk: the state that it was decided on is not the one that is there.
            preconditionFailure("the engine decided what does not fit its state: \(error)")
        }
        noteRecorded()
    }

    /// Notes that the group in memory ends with the newest change.
    mutating func noteRecorded() {
        let group = journal.currentGroup
        if let last = groups.last, last.group == group {
            groups[groups.count - 1].change = state.change
        } else {
            groups.append((group, state.change))
        }
        // What lies in a segment that was begun since is not under the pin that there is.
        if pin.newest != journal.currentSegment { pin = journal.pin() }
        if unsyncedSince == nil { unsyncedSince = instant.boot }
        lastRecorded = instant.boot
    }

    // MARK: Answering

    /// Gives an answer as soon as all changes up to this one are durable.
    mutating func hold(_ ticket: Ticket, _ answer: Answer, until change: UInt64) {
        if let failure {
            answers.append((ticket, .refused(failure)))
        } else if change <= syncedChange {
            answers.append((ticket, answer))
        } else {
            held.append(Held(until: change, ticket: ticket, answer: answer))
        }
    }

    mutating func answerNow(_ ticket: Ticket, _ answer: Answer) { answers.append((ticket, answer)) }

    /// Takes back an answer that is held; nil when it is not.
    mutating func takeHeld(_ ticket: Ticket) -> Answer? {
        guard let index = held.firstIndex(where: { $0.ticket == ticket }) else { return nil }
        return held.remove(at: index).answer
    }

    /// The answers that may leave.
    mutating func takeAnswers() -> [(Ticket, Answer)] {
        defer { answers = [] }
        return answers
    }

    /// Notes a failure of the journal: nothing that rests on it is confirmed any more.
    mutating func note(_ error: JournalError) {
        if error.changedNothing, journal.failure == nil { return }
        guard failure == nil else { return }
        failure = BrokerError(error)
        endAllWaits()
    }

    /// Answers everybody who still waits: the store has failed, or is closed.
    mutating func endAllWaits() {
        let refusal = failure.map(Answer.refused)
        for item in held { answers.append((item.ticket, refusal ?? .refused(.closed))) }
        for ticket in leaseWaits.keys.sorted() { answers.append((ticket, refusal ?? .deliveries([]))) }
        for (ticket, watch) in watches.sorted(by: { $0.key < $1.key }) {
            answers.append((ticket, refusal ?? .watched(watch.items.map { _ in .unchanged })))
        }
        for ticket in clockFollowers { answers.append((ticket, .done)) }
        held.removeAll()
        leaseWaits.removeAll()
        watches.removeAll()
        clockFollowers.removeAll()
    }
}
