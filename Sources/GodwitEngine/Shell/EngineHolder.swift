import GodwitCore

/// A holder of the engine's leases: its options; what it holds is the core's.
struct EngineHolder: Holder {
    let engine: Engine
    let options: HolderOptions

    var id: HolderID { options.id }

    func lease(max: Int, term: LeaseTerm, wait: Duration) async throws(BrokerError) -> [Delivery] {
        guard (1...Limits.leases).contains(max) else { throw .invalidArgument("max", "max must be 1 to \(Limits.leases)") }
        guard !options.queues.isEmpty else { throw .invalidArgument("queue", "name the queues to lease from") }
        if case .fixed(let duration) = term { try Self.check(duration) }
        var request = LeaseRequest(holder: options, max: max, term: term, wait: Swift.max(0, wait.inMilliseconds))
        let end = engine.clock.now().boot.addingClamped(request.wait)
        while true {
            let jobs: [LeasedJob]
            switch try await engine.askWaiting(.lease(request)) {
            case .deliveries(let leased): jobs = leased
            case .abandoned: return []
            default: throw Engine.mixedUp
            }
            guard !jobs.isEmpty, !Task.isCancelled else {
                if !jobs.isEmpty { await engine.giveBack(jobs) }
                return []
            }
            let (deliveries, unreadable) = engine.resolver.deliveries(jobs)
            if !unreadable.isEmpty { try await engine.setAside(unreadable) }
            if !deliveries.isEmpty { return deliveries }
            // Nobody can read any of them: what is behind them is given in the time that is left.
            request.wait = Swift.max(0, end - engine.clock.now().boot)
        }
    }

    nonisolated(nonsending) func renew(_ renewals: [Renewal]) async throws(BrokerError) -> [RenewalOutcome] {
        if renewals.isEmpty { return [] }
        for renewal in renewals {
            if let term = renewal.term { try Self.check(term) }
        }
        guard case .renewals(let outcomes) = try await engine.ask(.renew(renewals)) else { throw Engine.mixedUp }
        return outcomes
    }

    func close() async throws(BrokerError) { _ = try await engine.ask(.closeHolder(options.id)) }

    private static func check(_ duration: Duration) throws(BrokerError) {
        guard (Limits.shortestLease...Limits.longestLease).contains(duration) else {
            throw .invalidArgument("lease", "a lease lasts \(Limits.shortestLease.text) to \(Limits.longestLease.text)")
        }
    }
}
