import GodwitCore

/// How long jobs wait and run: by the wall clock's times that are kept of them anyway, in its milliseconds.
extension EngineState {
    /// A job is about to be leased.
    @inline(__always)
    mutating func noteWait(_ sequence: UInt64, _ entry: Entry) {
        if isReplaying { return }
        // One that came back into its line without waiting for a time of its own: the time that is kept is that of its first wait.
        if entry.pointee.deliveries > 0, let started = extra(sequence, entry.pointee)?.started, started >= entry.pointee.time { return }
        meter.waited(stamp.wall - entry.pointee.time, in: entry.pointee.queue)
    }

    /// The holder of a running job is about to end its lease.
    @inline(__always)
    mutating func noteRun(_ entry: Entry) {
        if isReplaying || entry.pointee.lease == 0 { return }
        meter.ran(stamp.wall - leases[entry.pointee.lease - 1].started, in: entry.pointee.queue)
    }
}
