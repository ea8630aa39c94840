import GodwitCore

/// The lines of queues, for whoever checks them: nothing here is kept, all of it is counted.
extension EngineState {
    /// The ready jobs of a queue in the order in which they would be leased.
    func readyLine(of number: UInt32) -> [UInt64] {
        var ready = queues.at(number).pointee.ready, line: [UInt64] = [], seen: Set<UInt64> = []
        while let element = ready.first {
            ready.removeFirst()
            guard let entry = jobs.find(element.sequence), isAlive(element.sequence), isReady(element, entry.pointee),
                seen.insert(element.sequence).inserted
            else { continue }
            line.append(element.sequence)
        }
        return line
    }

    /// The unfinished jobs of each queue in the order of their places: those that wait for a time or for their group, and those that run,
    /// are among them.
    func places() -> [UInt32: [UInt64]] {
        var places: [UInt32: [ReadyJob]] = [:]
        var next = jobs.first(from: 0)
        while let sequence = next {
            next = jobs.first(from: sequence + 1)
            guard let entry = jobs.find(sequence), isAlive(sequence) else { continue }
            places[entry.pointee.queue, default: []].append(
                ReadyJob(position: position(sequence, entry.pointee), sequence: sequence)
            )
        }
        return places.mapValues { $0.sorted().map(\.sequence) }
    }
}
