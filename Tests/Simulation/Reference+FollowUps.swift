import GodwitCore
import GodwitEngine

/// Counted steps, and what follows full counters and jobs' ends.
extension Reference {
    // MARK: Counters

    mutating func add(_ addition: Addition, _ progress: inout Progress) throws -> ([ModelEvent], ExpectedResult) {
        let known = live.counters[addition.key]
        if known == nil, live.records[addition.key] != nil { throw Refusal(.wrongState) }
        if let known, known.isComplete || known.steps.contains(addition.step) {
            return ([], .added(known.value, isCounted: false, completes: false, enqueued: []))
        }
        let event = ModelEvent.added(
            addition.key,
            step: addition.step,
            amount: addition.amount,
            target: known?.target ?? addition.target,
            expires: engine.addingClamped((addition.lifetime ?? Limits.counterLifetime).inMilliseconds),
            then: known == nil ? addition.then : []
        )
        let before = live
        defer { live = before }
        live.apply(nextUnit([event]))
        guard let counter = live.counters[addition.key] else { preconditionFailure("a step makes its counter") }
        var events = [event], numbers: [Int] = []
        // What fills a counter in turn is followed later, as every end is.
        if let owed = live.owed.last, owed.subject == counter.subject, !progress.isFollowing {
            let operations = owed.followUps.map(\.operation)
            if operations.allSatisfy({ hasQueue(for: $0) }) {
                let follow = follow(operations, &progress)
                numbers = follow.compactMap { if case .published(_, let number, _, _) = $0 { number } else { nil } }
                events += follow + [.followed(owed.subject, owed.states)]
            }
        }
        return (events, .added(counter.value, isCounted: true, completes: counter.isComplete, enqueued: numbers))
    }

    private func hasQueue(for operation: Operation) -> Bool {
        guard case .enqueue(let message) = operation else { return true }
        return live.queues[message.queue] != nil
    }

    /// The queues that a full counter's follow-ups need are made before anything of the transaction happens.
    mutating func openQueues(for addition: Addition, after ahead: inout [RecordKey: CounterAhead]) {
        switch ahead[addition.key] ?? .goesOn(0) {
        case .begun: return
        case .begins:
            ahead[addition.key] = .begun
            openQueues(for: addition.then)
        case .goesOn(let before):
            let amount = before + addition.amount
            ahead[addition.key] = .goesOn(amount)
            if let counter = live.counters[addition.key] {
                if !counter.isComplete, counter.count + amount >= counter.target { openQueues(for: counter.then) }
            } else if live.records[addition.key] == nil {
                ahead[addition.key] = .begun
                openQueues(for: addition.then)
            }
        }
    }

    private mutating func openQueues(for operations: [Operation]) {
        for case .enqueue(let message) in operations { openQueue(message.queue) }
    }

    // MARK: What is owed

    /// Does what follows what has ended, the oldest end first. What could not be read does not keep the others waiting.
    mutating func payOwed() {
        if let retry = owedRetry, instant.boot >= retry {
            unreadOwed = []
            owedRetry = nil
        }
        while let owed = live.owed.first(where: { !unreadOwed.contains($0.subject) }) {
            guard canRead() else {
                unreadOwed.insert(owed.subject)
                owedRetry = instant.boot + 1_000
                continue
            }
            let operations = owed.followUps.filter { owed.states.isEmpty || !$0.when.isDisjoint(with: owed.states) }.map(\.operation)
            openQueues(for: operations)
            var progress = Progress(start: live)
            let end = ModelEvent.followed(owed.subject, owed.states)
            let events = follow(operations, &progress) + [end]
            live.apply(nextUnit([end]))
            add(nextUnit(events))
        }
    }

    /// Carries out what follows: none of it is refused by a bound, and what cannot be carried out is passed over.
    private mutating func follow(_ operations: [Operation], _ progress: inout Progress) -> [ModelEvent] {
        let (hasSettled, isFollowing) = (progress.hasSettled, progress.isFollowing)
        (progress.hasSettled, progress.isFollowing) = (true, true)
        defer { (progress.hasSettled, progress.isFollowing) = (hasSettled, isFollowing) }
        var events: [ModelEvent] = []
        for operation in operations {
            guard let (new, _) = try? decide(operation, &progress) else { continue }
            if !new.isEmpty { live.apply(nextUnit(new)) }
            events += new
        }
        return events
    }
}

/// What the operations of a transaction that come first do to a counter that a later one counts for.
enum CounterAhead {
    /// One of them makes it.
    case begun
    /// One of them deletes it.
    case begins
    /// It is as it was but for so much that they count.
    case goesOn(Int)
}
