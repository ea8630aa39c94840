import GodwitCore

/// A step was counted.
struct CountedStep {
    var key: RecordKey
    var step: [UInt8]
    var amount: Int
    var target: Int
    /// Whether it made the counter full.
    var completes: Bool
    /// Engine time up to which the counter is kept at least.
    var expires: Int64
    /// What follows, of a step that made the counter; empty when it is replayed.
    var then: Bytes
    var thenBytes: Int
}

/// What ended, and what followed is done.
struct FollowedEnd: Equatable {
    var subject: EndedSubject
    /// A job's, nothing for a counter.
    var states: FinalStates = []
}

/// What something follows.
enum EndedSubject: Hashable, Sendable {
    case job(UInt64)
    /// By the number of the change that made it.
    case counter(UInt64)
}

extension CountedStep {
    func encode(into writer: inout RecordWriter) {
        Change.encode(key, into: &writer)
        writer.putBytes(step)
        writer.putVariable(UInt64(amount))
        writer.putVariable(UInt64(target))
        writer.put(UInt8(completes ? 1 : 0))
        writer.put(expires)
    }

    init(_ reader: inout RecordReader, bodyBytes: Int) throws(RecordError) {
        key = try Change.recordKey(&reader)
        step = Array(try reader.slice())
        amount = try reader.amount()
        target = try reader.amount()
        guard target > 0 else { throw .malformed("a counter that counts up to nothing") }
        completes = try reader.get(UInt8.self) != 0
        expires = try reader.time()
        then = Bytes()
        thenBytes = bodyBytes
    }
}

extension FollowedEnd {
    func encode(into writer: inout RecordWriter) {
        subject.encode(into: &writer)
        writer.put(states.rawValue)
    }

    init(_ reader: inout RecordReader) throws(RecordError) {
        subject = try EndedSubject(&reader)
        states = FinalStates(rawValue: try reader.get())
    }
}

extension EndedSubject {
    func encode(into writer: inout RecordWriter) {
        switch self {
        case .job(let sequence):
            writer.put(UInt8(0))
            writer.put(sequence)
        case .counter(let change):
            writer.put(UInt8(1))
            writer.put(change)
        }
    }

    init(_ reader: inout RecordReader) throws(RecordError) {
        switch try reader.get(UInt8.self) {
        case 0: self = .job(try reader.sequence())
        case 1: self = .counter(try reader.number())
        case let other: throw .newer("the end of a thing of the kind \(other)")
        }
    }
}
