package import GodwitJournal

/// What happened in simulated runs: how often each kind of fault hit in each phase, and how much was done.
package struct Statistics: Sendable {
    /// Faults of the clocks, which hit no phase of the store.
    package enum ClockFault: String, Sendable, CaseIterable {
        case stall = "clocks stood still"
        case leap = "clocks leapt ahead"
        case wallForth = "wall clock jumped forth"
        case wallBack = "wall clock jumped back"
        case yearOff = "wall clock a year off"
        case reboot = "time since boot began again"
    }

    package var hits: [StorageHit: Int] = [:]
    package var clocks: [ClockFault: Int] = [:]
    package var seeds = 0
    package var operations = 0
    package var turns = 0
    package var openings = 0
    package var confirmed = 0
    /// Openings that a flip was refused by, and those that went on without harm.
    package var flipsRefused = 0, flipsHarmless = 0
    /// Backups that were restored on the side.
    package var restores = 0

    package init() {}

    mutating func add(_ other: [StorageHit: Int]) {
        for (hit, count) in other { hits[hit, default: 0] += count }
    }

    package mutating func add(_ other: Statistics) {
        add(other.hits)
        for (fault, count) in other.clocks { clocks[fault, default: 0] += count }
        seeds += other.seeds
        operations += other.operations
        turns += other.turns
        openings += other.openings
        confirmed += other.confirmed
        flipsRefused += other.flipsRefused
        flipsHarmless += other.flipsHarmless
        restores += other.restores
    }

    /// What a long run must have met: a fault that never hits proves nothing.
    private static let required: [StorageHit] = {
        var required: [StorageHit] = []
        func require(_ phase: StoragePhase, _ faults: StorageFault...) { required += faults.map { StorageHit($0, phase) } }
        require(.append, .writeError, .noSpace, .shortWrite, .shortRead, .stop, .kill, .powerFailure, .lostBlock, .tornBlock, .reordered)
        require(.sync, .syncError, .stop, .kill, .powerFailure, .lostBlock, .tornBlock)
        require(.preparation, .writeError, .syncError, .noSpace, .stop, .powerFailure, .lostEntry)
        require(.checkpoint, .writeError, .syncError, .noSpace, .stop, .kill, .powerFailure)
        require(.compaction, .readError, .stop, .powerFailure)
        require(.copying, .writeError, .syncError, .noSpace, .stop, .kill, .powerFailure, .lostBlock, .tornBlock)
        require(.backup, .readError, .shortRead)
        require(.restore, .writeError, .syncError, .otherError, .noSpace, .shortWrite, .stop, .kill, .powerFailure, .lostEntry)
        require(.recovery, .readError, .writeError, .syncError, .noSpace, .otherError, .shortRead, .shortWrite, .stop)
        require(.recovery, .kill, .powerFailure, .lostBlock, .tornBlock, .lostEntry, .flip, .replacedBody)
        return required
    }()

    /// The faults that should have hit and never did; after fewer than 1,000 seeds chance may have it so.
    package var missing: [String] {
        Self.required.filter { hits[$0] == nil }.map { "\($0.fault.rawValue) during \($0.phase.rawValue)" }
            + ClockFault.allCases.filter { clocks[$0] == nil }.map(\.rawValue)
    }

    /// A table of faults by phase.
    package var table: String {
        let phases = StoragePhase.allCases.filter { phase in hits.keys.contains { $0.phase == phase } }
        func cell(_ text: String) -> String { String(repeating: " ", count: max(0, 13 - text.count)) + text }
        func label(_ text: String) -> String { text + String(repeating: " ", count: max(0, 28 - text.count)) }
        var lines = [label("fault") + phases.map { cell($0.rawValue) }.joined()]
        for fault in StorageFault.allCases where hits.keys.contains(where: { $0.fault == fault }) {
            lines.append(label(fault.rawValue) + phases.map { cell(hits[StorageHit(fault, $0)].map(String.init) ?? "-") }.joined())
        }
        for fault in ClockFault.allCases { lines.append(label(fault.rawValue) + cell(clocks[fault].map(String.init) ?? "-")) }
        lines.append(
            "\(seeds) seeds: \(operations) operations in \(turns) turns, \(openings) openings; flips: \(flipsRefused) refused, "
                + "\(flipsHarmless) harmless; \(restores) backups restored"
        )
        return lines.joined(separator: "\n")
    }
}
