import GodwitCore
import GodwitJournal

/// Counting steps.
extension EngineCore {
    mutating func decideAdd(_ addition: Addition) throws(BrokerError) {
        draft.bringsNew = true
        let key = addition.key
        let counter = stagedCounter(key)
        if counter == nil, draft.record(key) ?? (state.records[key] != nil) {
            throw BrokerError(.wrongState, "the key \(key.name) is a record's: a counter needs a key of its own", field: "key")
        }
        let step = Array(addition.step.utf8)
        if let counter, counter.counter.isComplete || counter.steps.contains(step) || isCounted(step, of: key, counter) {
            return draft.results.append(.added(AddedView(counter: counter.counter, isCounted: false, change: counter.change)))
        }
        guard counter?.stepCount ?? 0 < Limits.steps else {
            throw BrokerError(
                .tooLarge,
                "a counter tells \(Limits.steps) steps apart: let counters of parts be the steps of one for the whole",
                field: "step"
            )
        }
        let isNew = counter == nil
        if isNew, !draft.isFollowing { try addition.then.checkStarts(in: "then", at: now.wall) }
        var staged = counter ?? newCounter(addition)
        staged.counter.count += addition.amount
        staged.steps.insert(step)
        staged.stepCount += 1
        staged.expires = max(staged.expires, now.engine.addingClamped((addition.lifetime ?? Limits.counterLifetime).inMilliseconds))
        let completes = staged.counter.isComplete
        // Before anything changes: what cannot be read must not be counted.
        var then = completes && !draft.isFollowing ? try followUps(of: staged) : []
        // What lacks a queue is left owed, and paid right behind: that makes the queue.
        if !then.allSatisfy({ hasQueue(for: $0) }) { then = [] }
        let said = isNew && !addition.then.isEmpty ? Bytes(FollowUpCoding.encode(addition.then)) : Bytes()
        draft.changes.append(
            .added(
                CountedStep(
                    key: key,
                    step: step,
                    amount: addition.amount,
                    target: staged.counter.target,
                    completes: completes,
                    expires: staged.expires,
                    then: said,
                    thenBytes: said.count
                )
            )
        )
        staged.change = nextChange
        if isNew { staged.created = nextChange }
        draft.setCounter(key, staged)
        var view = AddedView(counter: staged.counter, isCounted: true, completes: completes, change: nextChange)
        if !then.isEmpty {
            view.sequences = follow(then)
            draft.changes.append(.followed(FollowedEnd(subject: .counter(staged.created))))
        }
        draft.results.append(.added(view))
    }

    /// A counter as the draft has left it.
    private func stagedCounter(_ key: RecordKey) -> Draft.StagedCounter? {
        if let staged = draft.counter(key) { return staged }
        guard draft.record(key) == nil, let counter = state.counters[key] else { return nil }
        return Draft.StagedCounter(
            created: counter.created,
            change: counter.change,
            counter: counter.counter,
            expires: counter.expires,
            stepCount: counter.steps.count,
            then: counter.then.map { .recorded($0.location) } ?? .nothing
        )
    }

    private func newCounter(_ addition: Addition) -> Draft.StagedCounter {
        Draft.StagedCounter(
            created: 0,
            change: 0,
            counter: CounterValue(count: 0, target: addition.target),
            expires: .min,
            stepCount: 0,
            then: addition.then.isEmpty ? .nothing : .said(addition.then)
        )
    }

    /// Whether a step was counted before this draft.
    private func isCounted(_ step: [UInt8], of key: RecordKey, _ staged: Draft.StagedCounter) -> Bool {
        guard let counter = state.counters[key], counter.created == staged.created else { return false }
        return counter.steps[StepMark(step, state.identity)] != nil
    }

    /// What follows when a counter is full.
    private mutating func followUps(of counter: Draft.StagedCounter) throws(BrokerError) -> [GodwitCore.Operation] {
        var operations: [GodwitCore.Operation] = []
        switch counter.then {
        case .nothing: return []
        case .said(let said): operations = said
        case .recorded(let location):
            if let ahead = readAhead, ahead.location == location {
                operations = ahead.followUps.map(\.operation)
            } else {
                operations = try readFollowUps(at: location).map(\.operation)
            }
            readAhead = nil
        }
        guard draft.followed + operations.count <= Limits.operations else {
            throw BrokerError(
                .tooLarge,
                "what follows the counters that this transaction makes full are more than \(Limits.operations) operations: split it"
            )
        }
        return operations
    }

    private mutating func hasQueue(for operation: GodwitCore.Operation) -> Bool {
        guard case .enqueue(let message) = operation else { return true }
        return queueNumber(message.queue) != nil
    }

    /// Sees to it that the queues are there that a step's follow-ups enqueue to, so that they are done in the same transaction.
    /// - Parameter ahead: what the operations before it do to the counters that they name.
    /// - Returns: why one of them cannot be.
    mutating func openQueues(for addition: Addition, after ahead: inout CountersAhead) throws(JournalError) -> BrokerError? {
        switch ahead.add(addition) {
        case .begun: return nil
        case .begins: return try openQueues(for: addition.then, in: "then")
        case .goesOn(let amount):
            guard let counter = state.counters[addition.key] else {
                if state.records[addition.key] != nil { return nil }
                ahead.begin(addition.key)
                return try openQueues(for: addition.then, in: "then")
            }
            guard let then = counter.then, counter.count + amount >= counter.target, let followUps = try? readFollowUps(at: then.location)
            else { return nil }
            readAhead = (then.location, followUps)
            let error = try openQueues(for: followUps.map(\.operation), in: "then")
            // Whatever else keeps a queue from being made, the counter's steps are counted all the same.
            return error?.code == .diskFull ? error : nil
        }
    }
}

/// What the operations of a transaction that come first do to the counters that later ones count for.
struct CountersAhead {
    /// What a step meets.
    enum Place {
        /// A counter that a step before it makes.
        case begun
        /// Nothing: what was there is deleted before it.
        case begins
        /// What is there before the transaction; with so much that its steps count so far, this one included.
        case goesOn(Int)
    }

    private var places: [RecordKey: Place] = [:]

    /// A key's record or counter is deleted.
    mutating func delete(_ key: RecordKey) { places[key] = .begins }

    mutating func begin(_ key: RecordKey) { places[key] = .begun }

    /// A step counts.
    mutating func add(_ addition: Addition) -> Place {
        switch places[addition.key] ?? .goesOn(0) {
        case .begun: return .begun
        case .begins:
            begin(addition.key)
            return .begins
        case .goesOn(let amount):
            let place = Place.goesOn(amount + addition.amount)
            places[addition.key] = place
            return place
        }
    }
}
