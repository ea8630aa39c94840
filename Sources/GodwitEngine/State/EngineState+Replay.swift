import GodwitCore
import GodwitJournal

/// Replay of the journal's records, also of a journal that a repair took lost records out of.
extension EngineState {
    /// Takes a record up.
    ///
    /// Behind lost records some do not fit what is there, such as the completion of a job whose publication is lost: they are passed over,
    /// for what is left is worth more than none of it. Everywhere else they are damage.
    /// - Throws: ``RecordError``
    mutating func replay(_ record: borrowing ReplayedRecord) throws(RecordError) {
        guard let (stamp, change) = try Change.decode(kind: record.kind, header: record.header, bodyBytes: record.body.count) else {
            if record.kind == StoreRepair.lostKind { return try noteLoss(record.header) }
            guard !record.critical else { throw .newer("a record of the kind \(record.kind)") }
            return
        }
        guard hasLosses else { return try apply(change, stamp, at: record.location) }
        for part in change.parts {
            restoreQueue(of: part)
            do throws(RecordError) {
                try apply(part, stamp, at: record.location)
            } catch {
                guard case .contradiction = error else { throw error }
                passedOver += 1
            }
        }
    }

    /// Records are lost here: what they may have given out must not be given out again.
    private mutating func noteLoss(_ header: UnsafeRawBufferPointer) throws(RecordError) {
        var reader = RecordReader(header)
        let _: UInt64 = try reader.get(), count: UInt64 = try reader.get()
        hasLosses = true
        // Each record made one job, or one opening, at most; where it is not known how many are lost, more than ever can be.
        let most = count == 0 ? 1 << 24 : min(count, 1 << 24)
        // And a lost reservation let more be given out than there are records.
        nextSequence = min(max(nextSequence, reserved) + most + Reservations.size, 1 << 48 - 1)
        let epoch = min(nextFencing >> 32 + min(most, 1 << 20), UInt64(UInt32.max) - 1)
        nextFencing = max(nextFencing, epoch << 32 | 1)
        change += 1 << 38
    }

    /// Stands a queue in for one whose creation is lost, so that its jobs are not lost with it.
    private mutating func restoreQueue(of change: Change) {
        let number: UInt32
        switch change {
        case .queue(let change): number = change.queue
        case .published(let job): number = job.queue + 1
        default: return
        }
        // Numbers are given in order, and nobody has so many queues.
        guard number >= UInt32(queues.count), number - UInt32(queues.count) < 1 << 20 else { return }
        while queues.count < Int(number) {
            guard let name = freeName(for: queues.count) else { return }
            queues.append(QueueState(name: name, settings: QueueSettings(), change: self.change))
        }
    }

    private func freeName(for number: Int) -> QueueName? {
        for suffix in 0..<1_000 {
            let text = "recovered-\(number)" + (suffix == 0 ? "" : "-\(suffix)")
            if let name = try? QueueName(text), queues.numbers[name] == nil { return name }
        }
        return nil
    }
}

extension Change {
    /// The same changes one job at a time, where that is possible: what does not fit is then one job's part alone.
    fileprivate var parts: [Change] {
        switch self {
        case .leased(let grant):
            grant.sequences.enumerated().map { index, sequence in
                var part = grant
                part.firstFencing += UInt64(index)
                part.sequences = [sequence]
                return .leased(part)
            }
        case .due(let jobs): jobs.map { .due([$0]) }
        case .expired(let sequences): sequences.map { .expired([$0]) }
        case .completedTogether(let sequences): sequences.map { .completedTogether([$0]) }
        case .swept(let sweep):
            sweep.sequences.map { .swept(Sweep(queue: sweep.queue, sequences: [$0])) }
                + (sweep.keys > 0 ? [.swept(Sweep(queue: sweep.queue, keys: sweep.keys))] : [])
        default: [self]
        }
    }
}
