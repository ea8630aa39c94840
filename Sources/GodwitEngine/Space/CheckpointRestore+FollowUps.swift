import GodwitCore
import GodwitJournal

extension CheckpointRestore {
    func takeCounter(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let key = try Change.recordKey(&reader), created = try reader.number(), change = try reader.number()
        let count = try reader.count(), target = try reader.amount()
        var counter = StoredCounter(created: created, change: change, target: target, expires: try reader.time())
        counter.count = count
        var then = RecordReader(try reader.slice())
        if !then.isAtEnd {
            let record = KeptRecord(location: try then.location(), size: SizeClass(index: try then.get()))
            try use(record.location, record.size, &state)
            counter.then = record
        }
        for _ in 0..<(try reader.variable()) { counter.steps[StepMark(high: try reader.get(), low: try reader.get())] = () }
        state.counters[key] = counter
        state.recordTimers.insert(counter.expires, created)
        state.recordKeys[created] = key
    }

    func takeOwed(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let subject = try EndedSubject(&reader), location = try reader.location(), size = SizeClass(index: try reader.get())
        let owed = OwedTable.Owed(location: location, size: size, states: FinalStates(rawValue: try reader.get()))
        try use(location, size, &state)
        guard state.owed.add(subject, owed) else { throw .malformed("two times what follows one end") }
    }
}
