import GodwitCore
import GodwitJournal

/// Counters, and what follows ends.
extension EngineState {
    mutating func apply(_ step: CountedStep, at location: RecordLocation) throws(RecordError) {
        guard records[step.key] == nil else { throw .contradiction("a step is counted under the key of a record") }
        var then: KeptRecord?
        if counters[step.key] == nil {
            counters[step.key] = StoredCounter(created: change, change: change, target: step.target, expires: step.expires)
            recordTimers.insert(step.expires, change)
            recordKeys[change] = step.key
            if step.thenBytes > 0 {
                let record = KeptRecord(location: location, size: SizeClass(of: step.thenBytes))
                use.add(record.location, record.size)
                then = record
            }
        }
        let mark = StepMark(step.step, identity), change = change
        let start = StoredCounter(created: change, change: change, target: step.target, expires: step.expires)
        let (fits, created, owed) = counters.change(step.key, from: start) { counter -> (Bool, UInt64, KeptRecord?) in
            if let then { counter.then = then }
            guard !counter.isComplete, counter.steps[mark] == nil else { return (false, 0, nil) }
            counter.count += step.amount
            counter.change = change
            counter.expires = max(counter.expires, step.expires)
            guard step.completes else {
                counter.steps[mark] = ()
                return (!counter.isComplete, counter.created, nil)
            }
            defer { counter.then = nil }
            // Behind a loss it may have fewer steps than were counted.
            counter.count = max(counter.count, counter.target)
            counter.steps = ShardedDictionary()
            return (true, counter.created, counter.then)
        }
        guard fits else { throw .contradiction("a step of a counter does not fit what it has counted") }
        if let owed { _ = self.owed.add(.counter(created), OwedTable.Owed(location: owed.location, size: owed.size)) }
        noteChanged(step.key)
    }

    mutating func apply(_ end: FollowedEnd) throws(RecordError) {
        // One that a purge has ended is met now at the latest.
        if case .job(let sequence) = end.subject { _ = job(sequence) }
        if let owed = try owed.settle(end) { use.remove(owed.location, owed.size) }
    }

    /// Notes that what follows a job's end is to be done.
    mutating func oweFollowUps(_ sequence: UInt64, _ entry: JobEntry, _ state: JobEntry.State) {
        let states = FinalStates(state.jobState)
        if owed.add(.job(sequence), OwedTable.Owed(location: entry.message, size: entry.messageClass, states: states)) {
            use.add(entry.message, entry.messageClass)
        }
    }

    /// A counter is no longer needed; what was brought about by its being full goes on.
    mutating func forget(_ counter: StoredCounter) {
        if let then = counter.then { use.remove(then.location, then.size) }
        recordKeys[counter.created] = nil
        noteRecordTimerStale()
    }

    /// Whether a key is a record's, or a counter's, at this version.
    func change(of key: RecordKey) -> UInt64? { records[key]?.change ?? counters[key]?.change }
}
