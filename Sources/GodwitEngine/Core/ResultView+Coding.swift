import GodwitCore

extension ResultView {
    /// Results as a session's records keep them.
    static func encode(_ results: [ResultView]) -> [UInt8] {
        var writer = RecordWriter()
        for result in results {
            switch result {
            case .enqueued(let sequence, let created, let runAt, let maxAttempts, let change):
                writer.put(UInt8(runAt == nil ? 1 : 2))
                writer.put(sequence)
                writer.put(created)
                if let runAt { writer.put(runAt) }
                writer.put(maxAttempts)
                writer.put(change)
            case .duplicate(let sequence):
                writer.put(UInt8(3))
                writer.put(sequence)
            case .state(let state):
                writer.put(UInt8(4))
                writer.put(UInt8(JobState.allCases.firstIndex(of: state) ?? 0))
            case .forgotten: writer.put(UInt8(5))
            case .put(let change):
                writer.put(UInt8(6))
                writer.put(change)
            case .deleted: writer.put(UInt8(7))
            case .added(let added):
                writer.put(UInt8(8))
                writer.put(UInt8((added.isCounted ? 1 : 0) | (added.completes ? 2 : 0)))
                writer.putVariable(UInt64(added.counter.count))
                writer.putVariable(UInt64(added.counter.target))
                writer.put(added.change)
                writer.putSequences(added.sequences)
            }
        }
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(RecordError) -> [ResultView] {
        try bytes.withBytes { bytes throws(RecordError) in
            var reader = RecordReader(bytes), results: [ResultView] = []
            while !reader.isAtEnd { results.append(try ResultView(&reader)) }
            return results
        }
    }

    private init(_ reader: inout RecordReader) throws(RecordError) {
        let kind: UInt8 = try reader.get()
        switch kind {
        case 1, 2:
            let sequence = try reader.sequence(), created = try reader.time()
            let runAt = kind == 2 ? try reader.time() : nil
            self = .enqueued(sequence: sequence, created: created, runAt: runAt, maxAttempts: try reader.get(), change: try reader.number())
        case 3: self = .duplicate(sequence: try reader.sequence())
        case 4:
            let index = Int(try reader.get(UInt8.self))
            guard JobState.allCases.indices.contains(index) else { throw .newer("a state \(index)") }
            self = .state(JobState.allCases[index])
        case 5: self = .forgotten
        case 6: self = .put(change: try reader.number())
        case 7: self = .deleted
        case 8:
            let flags: UInt8 = try reader.get(), count = try reader.variable(), target = try reader.amount(), change = try reader.number()
            guard count < 1 << 48 else { throw .malformed("a count out of range") }
            self = .added(
                AddedView(
                    counter: CounterValue(count: Int(count), target: target),
                    isCounted: flags & 1 != 0,
                    completes: flags & 2 != 0,
                    sequences: try reader.sequences(),
                    change: change
                )
            )
        default: throw .newer("a result \(kind)")
        }
    }
}
