/// What a run of `godwit bench` does; checked where it is made.
package struct BenchPlan: Sendable {
    package enum Load: Sendable, Equatable {
        /// So many jobs are published and worked off.
        case round(jobs: Int)
        /// So many messages are published and left in the store.
        case fill(Int)
        /// What is in the store is worked off.
        case drain
    }

    /// The store; the engine itself where messages are raw.
    package enum Store: Sendable, Equatable {
        /// In a folder that is made for the run and removed after it.
        case temporary
        case folder(String)
        case memory
        /// Whatever else ``Godwit/JobClient`` opens.
        case url(String)
    }

    package var store = Store.temporary
    package var load = Load.round(jobs: 100_000)
    /// Engine messages in batches, not typed jobs.
    package var isRaw = false
    /// Messages that are confirmed before they are on disk.
    package var isTransient = false
    /// Bytes of a payload; a typed job's JSON has as many.
    package var size = 100
    package var producers = 64
    package var workers = 64
    /// The most messages that are published and not confirmed.
    package var window = 4_096
    /// Messages published a second; nil for as many as go.
    package var rate: Double?
    /// Each producer publishes one message and waits for it; nothing is consumed before all are confirmed.
    package var isOneAtATime = false
    /// Over how many queues the messages go in turn.
    package var queues = 1

    package init() {}

    /// The least ``size``: the time of publishing is part of the payload.
    package static func leastSize(isRaw: Bool) -> Int { isRaw ? MemoryLayout<UInt64>.size : BenchJob.leastSize }

    var jobs: Int? {
        switch load {
        case .round(let jobs), .fill(let jobs): jobs
        case .drain: nil
        }
    }
    var publishes: Bool { load != .drain }
    var consumes: Bool {
        if case .fill = load { false } else { true }
    }

    /// The queues' names; typed jobs and raw messages do not meet in one.
    var queueNames: [String] {
        let name = isRaw ? "bench-raw" : "bench"
        return queues == 1 ? [name] : (1...queues).map { "\(name)-\($0)" }
    }
}
