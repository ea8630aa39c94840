import GodwitJournal

/// The kept numbers of the journal's space, counted for once: what a simulation compares after every opening.
extension EngineState {
    /// What everything in memory points to.
    func countedUse() -> SegmentUse {
        var counted = SegmentUse()
        var sequence: UInt64 = 0
        while let number = firstJob(from: sequence) {
            sequence = number + 1
            if let entry = jobs.find(number) { counted.add(entry.pointee.message, entry.pointee.messageClass) }
            guard let entry = finished.find(number) else { continue }
            counted.add(entry.pointee.message, entry.pointee.messageClass)
            if !entry.pointee.final.isEnding { counted.add(entry.pointee.final, entry.pointee.finalClass) }
        }
        extras.forEach { _, extra in
            for failure in extra.failures { counted.add(failure.location, failure.size) }
            if let amendment = extra.amendment { counted.add(amendment.location, amendment.size) }
        }
        records.forEach { counted.add($1.location, $1.size) }
        return counted
    }

    /// How the numbers that are kept differ from those that are counted; nil where they do not.
    func useError() -> String? {
        let counted = countedUse()
        for segment in Set(use.segments + counted.segments).sorted() where use[segment] != counted[segment] {
            return "segment \(segment) is said to hold \(use[segment]), and holds \(counted[segment])"
        }
        return use.total == counted.total ? nil : "the journal is said to hold \(use.total), and holds \(counted.total)"
    }
}
