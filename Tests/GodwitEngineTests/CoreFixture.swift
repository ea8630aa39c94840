import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

/// Commands and steps for a core without threads, so that a test decides when a sync happens.
enum Core {
    static func open(_ storage: any Storage, _ clock: ManualClock, segmentBytes: Int = 1 << 20) throws -> EngineCore {
        var options = EngineOptions()
        options.clock = clock
        options.segmentBytes = segmentBytes
        return try EngineCore.open(storage, options: options, at: clock.now())
    }

    static func sync(_ core: inout EngineCore) throws {
        let begun = core.beginSync()
        let sync = try #require(begun)
        try sync.run()
        core.endSync(sync, failure: nil)
    }

    /// Has the journal's files seen to, as far as the disk allows.
    static func maintain(_ core: inout EngineCore) {
        while let maintenance = core.journal.beginMaintenance() {
            let result = maintenance.run()
            core.journal.endMaintenance(result)
            if result.failure != nil { return }
        }
    }

    /// Takes a checkpoint, as the engine's thread would; answers whether it counts.
    @discardableResult
    static func checkpoint(_ core: inout EngineCore) -> Bool {
        guard let work = core.beginCheckpoint() else { return false }
        do throws(JournalError) {
            try work.run()
            core.endCheckpoint(work, failure: nil)
        } catch {
            core.endCheckpoint(work, failure: error)
        }
        if let sync = core.beginSync() {
            do throws(JournalError) {
                try sync.run()
                core.endSync(sync, failure: nil)
            } catch {
                core.endSync(sync, failure: error)
            }
        }
        maintain(&core)
        return !core.journal.isCheckpointing
    }

    /// Gives back what is dead, and empties what is worth it, up to so many parts.
    static func move(_ core: inout EngineCore, scans: Int = .max) {
        core.reclaimDead()
        for _ in 0..<scans {
            guard let scan = core.beginScan() else { return }
            core.endScan(scan.run())
        }
    }

    static let publish = publish()

    static func publish(_ queue: QueueName = .work, _ change: (inout NewMessage) -> Void = { _ in }) -> Command {
        var message = NewMessage(queue: queue, payload: Content("1"))
        change(&message)
        return .commit([.one(.enqueue(MessageBox(message)))], nil)
    }

    static func lease(_ queue: QueueName = .work, term: LeaseTerm = .queue, wait: Int64 = 0) -> Command {
        let holder = HolderOptions(id: HolderID("h"), queues: [queue], capacity: 1, isEmbedded: false)
        return .lease(LeaseRequest(holder: holder, max: 1, term: term, wait: wait))
    }
}

extension Answer {
    var deliveries: [LeasedJob]? { if case .deliveries(let jobs) = self { jobs } else { nil } }
    var renewals: [RenewalOutcome]? { if case .renewals(let outcomes) = self { outcomes } else { nil } }
}
