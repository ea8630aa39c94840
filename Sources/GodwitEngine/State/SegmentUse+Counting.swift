import GodwitJournal

/// The kept numbers of the journal's space, counted for once: what a simulation compares after every opening.
extension EngineState {
    /// What everything in memory points to.
    func countedUse() -> SegmentUse {
        var counted = SegmentUse()
        forEachReference { counted.add($0.location, $0.size) }
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
