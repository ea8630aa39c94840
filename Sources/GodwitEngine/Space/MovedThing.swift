import GodwitCore
import GodwitJournal

/// What a record in the journal may still be needed for.
enum MovedThing: Sendable, Equatable {
    /// A job's message.
    case message(UInt64)
    /// A failed attempt of a job, or its end.
    case attempt(UInt64)
    /// The end of jobs.
    case end([UInt64])
    /// The amended headers of a job.
    case amendment(UInt64)
    /// A small record's value.
    case record(RecordKey)
    /// What follows when a counter is full.
    case followUps(RecordKey)

    var isMessage: Bool { if case .message = self { true } else { false } }

    /// The jobs that it is of.
    var jobs: [UInt64] {
        switch self {
        case .message(let sequence), .attempt(let sequence), .amendment(let sequence): [sequence]
        case .end(let sequences): sequences
        case .record, .followUps: []
        }
    }

    /// - Returns: nil for a kind that nobody needs once it is applied.
    init?(kind: UInt8, header: UnsafeRawBufferPointer) throws(RecordError) {
        guard let kind = RecordKind(rawValue: kind) else { return nil }
        var reader = RecordReader(header)
        switch kind {
        case .published:
            try Change.skipStamp(&reader)
            self = .message(try reader.sequence())
        case .failed, .past:
            try Change.skipStamp(&reader)
            self = .attempt(try reader.sequence())
        case .released:
            try Change.skipStamp(&reader)
            self = .amendment(try reader.sequence())
        case .completed, .cancelled:
            try Change.skipStamp(&reader)
            self = .end([try reader.sequence()])
        case .expired, .completedTogether:
            try Change.skipStamp(&reader)
            self = .end(try reader.sequences())
        case .put:
            try Change.skipStamp(&reader)
            self = .record(try Change.recordKey(&reader))
        case .added:
            try Change.skipStamp(&reader)
            self = .followUps(try Change.recordKey(&reader))
        default:
            return nil
        }
    }
}

/// A record was written again at another place, so that the segment in which it lay can be used again.
struct Move: Sendable {
    /// Where it lay.
    var from: RecordLocation
    var thing: MovedThing
    /// The kind, the header and the body that it had.
    var kind: UInt8
    var header: [UInt8]
    /// Empty when it is replayed.
    var body: Bytes
}

extension EngineState {
    /// Whether something still points to a record.
    func isLive(_ thing: MovedThing, at location: RecordLocation) -> Bool {
        switch thing {
        case .message(let sequence):
            return jobs.find(sequence)?.pointee.message == location || finished.find(sequence)?.pointee.message == location
                || owed[.job(sequence)]?.location == location
        case .attempt(let sequence):
            if finished.find(sequence)?.pointee.final == location { return true }
            return extras[sequence]?.failures.contains { $0.location == location } ?? false
        case .end(let sequences):
            return sequences.contains { finished.find($0)?.pointee.final == location }
        case .amendment(let sequence):
            return extras[sequence]?.amendment?.location == location
        case .record(let key):
            return records[key]?.location == location
        case .followUps(let key):
            return counters[key]?.then?.location == location || owed.counter(at: location) != nil
        }
    }

    /// Lets all that points to a record point to its new place. No version changes.
    mutating func apply(_ move: Move, at location: RecordLocation) throws(RecordError) {
        guard isLive(move.thing, at: move.from) else { throw .contradiction("nothing needs the record that was moved from \(move.from)") }
        switch move.thing {
        case .message(let sequence):
            if let entry = jobs.find(sequence), entry.pointee.message == move.from {
                relocate(from: move.from, to: location, entry.pointee.messageClass)
                jobs.edit(sequence)?.pointee.message = location
            } else if let entry = finished.find(sequence) {
                relocate(from: move.from, to: location, entry.pointee.messageClass)
                finished.edit(sequence)?.pointee.message = location
            }
            relocateOwed(.job(sequence), from: move.from, to: location)
        case .attempt(let sequence):
            relocateFinal(of: sequence, from: move.from, to: location)
            guard let index = extras[sequence]?.failures.firstIndex(where: { $0.location == move.from }) else { return }
            let size = extras.change(sequence, from: Extra()) { extra in
                extra.failures[index].location = location
                return extra.failures[index].size
            }
            relocate(from: move.from, to: location, size)
        case .end(let sequences):
            for sequence in sequences { relocateFinal(of: sequence, from: move.from, to: location) }
        case .amendment(let sequence):
            let size = extras.change(sequence, from: Extra()) { extra in
                extra.amendment?.location = location
                return extra.amendment?.size ?? SizeClass(of: 0)
            }
            relocate(from: move.from, to: location, size)
        case .record(let key):
            guard var record = records[key] else { return }
            relocate(from: move.from, to: location, record.size)
            record.location = location
            records[key] = record
        case .followUps(let key):
            if let then = counters[key]?.then, then.location == move.from {
                relocate(from: move.from, to: location, then.size)
                let start = StoredCounter(created: 0, change: 0, target: 1, expires: 0)
                counters.change(key, from: start) { $0.then?.location = location }
            } else if let subject = owed.counter(at: move.from) {
                relocateOwed(subject, from: move.from, to: location)
            }
        }
    }

    private mutating func relocateOwed(_ subject: EndedSubject, from: RecordLocation, to: RecordLocation) {
        guard let owed = owed[subject], owed.location == from else { return }
        relocate(from: from, to: to, owed.size)
        self.owed.relocate(subject, to: to)
    }

    private mutating func relocateFinal(of sequence: UInt64, from: RecordLocation, to: RecordLocation) {
        guard let entry = finished.find(sequence), entry.pointee.final == from else { return }
        relocate(from: from, to: to, entry.pointee.finalClass)
        finished.edit(sequence)?.pointee.final = to
    }

    private mutating func relocate(from: RecordLocation, to: RecordLocation, _ size: SizeClass) {
        use.remove(from, size)
        use.add(to, size)
    }
}

extension JournalReader.Record {
    /// The record as it was written first: what is in a moved one, else itself.
    func original() throws(RecordError) -> JournalReader.Record {
        guard kind == RecordKind.moved.rawValue else { return self }
        let (kind, start) = try Change.movedKind(header)
        var record = self
        record.kind = kind
        record.header = Array(header[start...])
        return record
    }
}
