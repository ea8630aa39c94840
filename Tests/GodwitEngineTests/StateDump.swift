import GodwitCore
import GodwitJournal

@testable import GodwitEngine

extension EngineState {
    /// All that the state says, line by line, in an order that depends on nothing else: two states that say the same have the same lines.
    mutating func dump() -> [String] {
        // What a purge or a deletion met is ended first.
        clean(limit: .max)
        var lines = ["level \(level), change \(change), next \(nextSequence) \(nextFencing), stamp \(stamp), opening \(opening as Any)"]
        var at: UInt64 = 0
        while let sequence = firstJob(from: at) {
            at = sequence + 1
            if let entry = jobs.find(sequence)?.pointee {
                let lease = entry.lease == 0 ? nil : leases[entry.lease - 1]
                lines.append(
                    """
                    job \(sequence): \(entry.state) in \(entry.queue) at \(entry.change), \(entry.message), \(entry.size) bytes, time \(entry.time), \
                    \(entry.attempt)/\(entry.maxAttempts)/\(entry.deliveries), priority \(entry.priority), flags \(entry.flags.rawValue), \
                    lease \(lease.map { "\($0.sequence) \($0.fencing) \($0.started) \($0.term) \(leases.holders[Int($0.holder)]?.id as Any)" } ?? "-")
                    """
                )
            }
            if let entry = finished.find(sequence)?.pointee {
                let end = endings.time(of: entry.final).map { "purged at \($0)" } ?? "\(entry.final)"
                lines.append(
                    """
                    finished \(sequence): \(entry.state) in \(entry.queue) at \(entry.change), \(entry.message), \(end), extra \(entry.hasExtra), \
                    classes \(entry.messageClass.index) \(entry.finalClass.index)
                    """
                )
            }
        }
        var others: [String] = []
        extras.forEach { others.append("extra \($0): \($1)") }
        records.forEach { others.append("record \($0.name): \($1)") }
        counters.forEach { key, counter in
            var marks: [String] = []
            counter.steps.forEach { mark, _ in marks.append("\(mark.high):\(mark.low)") }
            others.append(
                """
                counter \(key.name): \(counter.count)/\(counter.target) at \(counter.created) \(counter.change) until \(counter.expires), \
                \(counter.then as Any), \(marks.sorted())
                """
            )
        }
        owed.forEachItem { item in
            var writer = RecordWriter()
            item(&writer)
            others.append("owed \(writer.bytes)")
        }
        recordKeys.forEach { others.append("record key \($0): \($1.name)") }
        for segment in use.segments { others.append("segment \(segment): \(use[segment])") }
        let all = queues.snapshot().all()
        queues.endSnapshot()
        for (number, queue) in all.enumerated() {
            others += Self.dump(number, queue.map { _ in queues.at(UInt32(number)).pointee }, self)
        }
        return lines + others.sorted()
    }

    private static func dump(_ number: Int, _ queue: QueueState?, _ state: borrowing EngineState) -> [String] {
        guard let queue else { return ["queue \(number) is gone"] }
        var lines = [
            """
            queue \(number): \(queue.name) \(queue.settings) at \(queue.settingsChange) \(queue.change), \(queue.isPaused) \(queue.isDeleted), \
            \(queue.counts), \(queue.bytes) \(queue.waitingBytes), purge \(queue.purge)
            """
        ]
        var ready = queue.ready, line: [UInt64] = []
        while let job = ready.first {
            ready.removeFirst()
            if let entry = state.jobs.find(job.sequence)?.pointee, state.isReady(job, entry) { line.append(job.sequence) }
        }
        lines.append("line \(number): \(line)")
        for (kind, finished) in [queue.succeeded, queue.failed].enumerated() {
            // Those that a purge ended stand in the order in which they were met.
            let jobs = finished.oldest(upTo: .max, limit: .max)
            lines.append("retention \(number) \(kind): \(jobs.map(\.sequence).sorted())")
        }
        queue.keys.line.forEach { key in
            lines.append("key \(number): \(key) \(queue.keys.texts[key.mark] as Any)")
            return true
        }
        return lines
    }
}

extension StateSnapshot {
    /// All chunks, as they would be written.
    func chunks() throws -> [(section: CheckpointSection, bytes: [UInt8])] {
        let chunks = Collected()
        try encode { chunks.all.append(($0, Array($1))) }
        return chunks.all
    }

    private final class Collected {
        var all: [(section: CheckpointSection, bytes: [UInt8])] = []
    }
}
