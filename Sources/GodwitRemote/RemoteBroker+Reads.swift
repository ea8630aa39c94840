package import GodwitCore
import GodwitWire

extension RemoteBroker {
    /// Ids or keys that one call asks for.
    private static let most = 1_000

    package func read(_ jobs: [JobID]) async throws(BrokerError) -> [JobLookup] {
        var lookups: [JobLookup] = []
        for start in stride(from: 0, to: jobs.count, by: Self.most) {
            let part = Array(jobs[start..<min(start + Self.most, jobs.count)])
            guard case .jobs(let found) = try await call(.jobs(part)), found.count == part.count else { throw Self.mixedUp }
            lookups += found
        }
        return lookups
    }

    package func read(_ records: [RecordKey]) async throws(BrokerError) -> [Record?] {
        var found: [Record?] = []
        for start in stride(from: 0, to: records.count, by: Self.most) {
            let part = Array(records[start..<min(start + Self.most, records.count)])
            guard case .records(let some) = try await call(.records(part)), some.count == part.count else { throw Self.mixedUp }
            found += some
        }
        return found
    }

    package func payload(of job: JobID) async throws(BrokerError) -> Content {
        guard case .content(let content?) = try await call(.payload(job)) else { throw Self.mixedUp }
        return content
    }

    package func result(of job: JobID) async throws(BrokerError) -> Content? {
        guard case .content(let content) = try await call(.result(job)) else { throw Self.mixedUp }
        return content
    }

    package func browse(_ query: BrowseQuery) async throws(BrokerError) -> BrowsePage {
        guard case .browsed(let page) = try await call(.browse(query)) else { throw Self.mixedUp }
        return page
    }

    package func list(_ query: JobQuery) async throws(BrokerError) -> JobPage {
        guard case .listed(let page) = try await call(.list(query)) else { throw Self.mixedUp }
        return page
    }

    package func check() async throws(BrokerError) {
        guard case .done = try await call(.check) else { throw Self.mixedUp }
    }

    /// What each item is now, if it is not at the version that is known.
    func current(_ items: [WatchItem]) async throws(BrokerError) -> [WatchAnswer] {
        var jobs: [JobID] = [], records: [RecordKey] = []
        for item in items {
            switch item {
            case .job(let id, _): jobs.append(id)
            case .record(let key, _): records.append(key)
            }
        }
        var lookups = try await read(jobs)[...], found = try await read(records)[...]
        return items.map { item in
            switch item {
            case .job(_, let known):
                let lookup = lookups.removeFirst()
                return known != nil && lookup.snapshot?.version == known ? .unchanged : .job(lookup)
            case .record(_, let known):
                let record = found.removeFirst()
                return known != nil && record?.version == known ? .unchanged : .record(record)
            }
        }
    }

    static let mixedUp = BrokerError(.unavailable, "the server answered something else than it was asked: please report this")
}
