import GodwitCore
import GodwitEngine
import GodwitJournal
import Logging
import Testing

@testable import GodwitWire

/// What was read of hostile bytes is well formed and no more: an engine carries it out or refuses it, and its store can be opened afterwards.
@Suite(.timeLimit(.minutes(5)))
struct CarryingOutTests {
    private static func engine(_ storage: MemoryStorage) async throws -> Engine {
        var options = EngineOptions()
        options.clock = ManualClock(start: Timestamp(milliseconds: 1_800_000_000_000))
        options.segmentBytes = 1 << 20
        options.logger.logLevel = .critical
        return try await Engine.open(storage: storage, options: options)
    }

    /// As a client on the way would change it.
    private static func changed(_ document: [UInt8], _ samples: inout Samples) -> Bytes {
        var bytes = document
        if samples.bool(), !bytes.isEmpty {
            for _ in 0...samples.below(2) { bytes[samples.below(bytes.count)] = UInt8(samples.below(256)) }
        }
        return Bytes(bytes)
    }

    @Test("commits, calls, leases and watches of any numbers", arguments: 1...40 as ClosedRange<UInt64>)
    func any(seed: UInt64) async throws {
        let storage = MemoryStorage()
        let engine = try await Self.engine(storage)
        var samples = Samples(seed: seed, wild: true)
        var leases: [LeaseToken] = []
        for _ in 0..<60 {
            var sample = samples.commit()
            // Some of them about what is there.
            if let token = leases.popLast() {
                sample.transactions.append(Transaction([.complete(token, result: samples.content()), samples.operation()]))
            }
            let document = Wire.encode(CommitRequest(sample.transactions, in: sample.session))
            if let request = try? Wire.decodeCommit(Self.changed(document, &samples)) {
                _ = try? await engine.commit(request.transactions, in: request.session)
            }
            try await lease(engine, &samples, &leases)
            try await call(engine, &samples)
        }
        try await engine.check()
        await engine.close()
        let again = try await Self.engine(storage.kill())
        _ = try await again.list(JobQuery(limit: 1_000))
        await again.close()
    }

    private func lease(_ engine: Engine, _ samples: inout Samples, _ leases: inout [LeaseToken]) async throws {
        let queues = Array(Set([samples.queue(), samples.queue()]))
        let holder = HolderOptions(id: HolderID("h"), queues: queues, capacity: samples.count(below: 9), isEmbedded: false)
        let wanted = LeaseRequest(holder: holder, max: samples.count(below: 5), term: .fixed(samples.duration()), wait: samples.duration())
        if var request = try? Wire.decodeLease(Self.changed(Wire.encode(wanted), &samples)) {
            // The server waits for no longer than it wants.
            request.wait = min(request.wait, .zero)
            let deliveries = try? await engine.open(request.holder).lease(max: request.max, term: request.term, wait: request.wait)
            leases += deliveries?.map(\.token) ?? []
        }
        let renewals = leases.map { Renewal($0, term: samples.maybe { $0.duration() }, progress: samples.maybe { $0.progress() }) }
        let document = Wire.encode(RenewRequest(holder: HolderID("h"), renewals: renewals))
        if let request = try? Wire.decodeRenew(Self.changed(document, &samples)) {
            _ = try? await engine.open(holder).renew(request.renewals)
        }
    }

    private func call(_ engine: Engine, _ samples: inout Samples) async throws {
        let calls: [Call] = [
            .configure(samples.queue(), samples.settings(), expecting: samples.expectation(), startsPaused: false),
            .list(JobQuery(queue: samples.queue(), limit: samples.count(below: 10), cursor: samples.maybe { $0.text() })),
            .browse(BrowseQuery(queue: samples.queue(), limit: samples.count(below: 10), cursor: samples.maybe { $0.text() })),
            .records([samples.key()]),
        ]
        for call in (try? Wire.decodeCalls(Self.changed(Wire.encode(calls), &samples))) ?? [] {
            switch call {
            case .configure(let name, let settings, let expecting, let startsPaused):
                _ = try? await engine.configure(name, settings, expecting: expecting, startsPaused: startsPaused)
            case .list(let query): _ = try? await engine.list(query)
            case .browse(let query): _ = try? await engine.browse(query)
            case .records(let keys): _ = try? await engine.read(keys)
            default: break
            }
        }
        let watches = [WatchRequest.watch(number: 1, .record(samples.key(), known: samples.version()), wait: samples.duration())]
        for case .watch(_, let item, let wait) in (try? Wire.decodeWatches(Self.changed(Wire.encode(watches), &samples))) ?? [] {
            _ = try? await engine.watch([item], wait: min(wait, .zero))
        }
    }
}
