package import GodwitCore
package import GodwitJournal

/// The engine without threads: each turn, sync and wait happens when its owner says so, at the time that its owner says.
///
/// It is what simulations drive. Requests and replies are in the broker's vocabulary; a reply leaves as soon as what it rests on is durable.
/// ```swift
/// var engine = try SteppedEngine.open(storage, options: options, at: instant)
/// engine.turn([(ticket: 1, request: .commit([transaction]))], at: instant)
/// if let sync = engine.beginSync() { try sync.run(); engine.endSync(sync, failure: nil) }
/// for (ticket, reply) in engine.takeReplies() { … }
/// ```
package struct SteppedEngine: ~Copyable {
    /// What a caller wants; the methods of ``Broker`` and ``Holder`` as values.
    package enum Request: Sendable {
        case commit([Transaction], SessionCommit? = nil)
        case publish(MessageBatch)
        case lease(HolderOptions, max: Int, term: LeaseTerm, wait: Duration)
        /// As ``Engine/lease(_:for:wait:then:)``, without a wait.
        case leaseBatch(HolderOptions, max: Int)
        case complete(LeasedBatch)
        case renew([Renewal])
        case closeHolder(HolderID)
        case endSession(String)
        case read([JobID])
        case payload(JobID)
        case result(JobID)
        case list(JobQuery)
        case records([RecordKey])
        case watch([WatchItem], wait: Duration)
        case queues
        case configure(QueueName, QueueSettings, Expectation)
        case pause(QueueName, Bool)
        case purge(QueueName)
        case delete(QueueName, purging: Bool)
        case check
        case backup
        /// The caller with this ticket no longer waits.
        case abandon(UInt64)
    }

    /// What a request came to.
    package enum Reply: Sendable {
        case outcomes([TransactionOutcome])
        /// The messages of a batch.
        case published([JobID])
        /// Deliveries, and the leases whose messages cannot be read, with the reasons.
        case deliveries([Delivery], unreadable: [(token: LeaseToken, error: BrokerError)])
        /// Messages in the hands of a holder, and which they are.
        case batch(LeasedBatch, [JobID])
        case renewals([RenewalOutcome])
        case lookups([JobLookup])
        case content(Content?)
        case page(JobPage)
        case records([Record?])
        case watched([WatchAnswer])
        case statuses([QueueStatus])
        case count(Int)
        case backup(JournalSnapshot)
        case done
        case refused(BrokerError)
    }

    /// An answer that is on its way: its caller has still to read the journal, whenever it comes to that.
    package struct Pending: Sendable {
        let answer: Answer

        /// Whether there is anything to read, and it is neither refused nor empty.
        package var isToBeRead: Bool {
            switch answer {
            case .deliveries(let jobs): !jobs.isEmpty
            case .content(let content): content != nil
            default: false
            }
        }
    }

    private var core: EngineCore
    private let resolver: ViewResolver
    private var shown = ShownJobs()

    private init(_ core: consuming EngineCore, _ resolver: ViewResolver) {
        self.core = core
        self.resolver = resolver
    }

    /// Opens the store in a storage, or makes one; what is there is durable when this returns.
    /// - Throws: `storeLocked`, `storeCorrupt`, `storeFailed`.
    package static func open(
        _ storage: any Storage,
        options: EngineOptions,
        at instant: EngineInstant
    ) throws(BrokerError) -> SteppedEngine {
        let core = try EngineCore.open(storage, options: options, at: instant)
        let resolver = ViewResolver(reader: core.journal.reader, identity: core.state.identity, logger: options.logger)
        return SteppedEngine(core, resolver)
    }

    // MARK: Turns

    /// One turn at a time: renewals, then what is due, then everything else in the order in which it stands.
    package mutating func turn(_ requests: [(ticket: UInt64, request: Request)], at instant: EngineInstant) {
        core.turn(requests.map { ($0.ticket, command($0.request)) }, at: instant)
    }

    private func command(_ request: Request) -> Command {
        switch request {
        case .commit(let transactions, let session): .commit(transactions.map { PreparedTransaction($0, resolver.identity) }, session)
        case .publish(let batch): .publishBatch(batch)
        case .lease(let holder, let max, let term, let wait):
            .lease(LeaseRequest(holder: holder, max: max, term: term, wait: wait.inMilliseconds))
        case .leaseBatch(let holder, let max):
            .lease(LeaseRequest(holder: holder, max: max, term: .holderLife, wait: 0, isBatch: true))
        case .complete(let batch): .completeBatch(batch)
        case .renew(let renewals): .renew(renewals)
        case .closeHolder(let id): .closeHolder(id)
        case .endSession(let id): .endSession(id)
        case .read(let ids): .read(ids)
        case .payload(let id): .payload(id)
        case .result(let id): .result(id)
        case .list(let query): .list(query)
        case .records(let keys): .readRecords(keys)
        case .watch(let items, let wait): .watch(items, wait: wait.inMilliseconds)
        case .queues: .queues
        case .configure(let name, let settings, let expectation): .configure(name, settings, expectation)
        case .pause(let name, let isPaused): .pause(name, isPaused)
        case .purge(let name): .purge(name)
        case .delete(let name, let purging): .delete(name, purging: purging)
        case .check: .check
        case .backup: .backup
        case .abandon(let ticket): .abandon(ticket)
        }
    }

    /// The replies that may leave, each once.
    package mutating func takeReplies() -> [(ticket: UInt64, reply: Reply)] {
        takePending().map { ($0, reply($1)) }
    }

    /// As ``takeReplies()``, for who lists all jobs again and again: of those that are in memory as they were when this method showed them,
    /// the records are not read again.
    package mutating func takeLooks() -> [(ticket: UInt64, reply: Reply)] {
        var replies: [(ticket: UInt64, reply: Reply)] = []
        for (ticket, pending) in takePending() {
            if case .page(let views, let next, let end) = pending.answer {
                replies.append((ticket, .page(JobPage(jobs: shown.snapshots(views, resolver), next: next, end: end))))
            } else {
                replies.append((ticket, reply(pending)))
            }
        }
        return replies
    }

    /// The answers that may leave, each once, as callers get them.
    package mutating func takePending() -> [(ticket: UInt64, pending: Pending)] {
        core.takeAnswers().map { ($0, Pending(answer: $1)) }
    }

    /// What a caller does with an answer, on its own thread, now or later.
    package func reply(_ pending: Pending) -> Reply {
        do throws(BrokerError) { return try resolve(pending.answer) } catch { return .refused(error) }
    }

    /// The bodies of leased messages, in their order.
    package func bodies(of batch: LeasedBatch) throws(BrokerError) -> [[UInt8]] {
        let bodies = try resolver.bodies(of: batch)
        return (0..<bodies.count).map { index in bodies.withBody(index) { Array($0) } }
    }

    private func resolve(_ answer: Answer) throws(BrokerError) -> Reply {
        switch answer {
        case .outcomes(let views): return .outcomes(views.map { $0.outcome(resolver.identity) })
        case .deliveries(let jobs):
            let (readable, unreadable) = resolver.deliveries(jobs)
            return .deliveries(
                readable,
                unreadable: unreadable.map { (resolver.identity.token(sequence: $0.job.view.sequence, fencing: $0.job.fencing), $0.error) }
            )
        case .published(let range):
            return .published((0..<range.count).map { resolver.identity.jobID(range.first + UInt64($0)) })
        case .batch(let batch): return .batch(batch, batch.items.map { resolver.identity.jobID($0.sequence) })
        case .backup(let moment): return .backup(moment)
        case .renewals(let outcomes): return .renewals(outcomes)
        case .lookups(let views): return .lookups(resolver.lookups(views))
        case .content(let content):
            return .content(try content.flatMap { content throws(BrokerError) in try resolver.content(content) })
        case .page(let views, let next, let end): return .page(JobPage(jobs: resolver.snapshots(views), next: next, end: end))
        case .records(let views):
            return .records(
                try views.map { view throws(BrokerError) in
                    guard let view else { return nil }
                    return try resolver.record(view)
                }
            )
        case .watched(let views): return .watched(try views.map { view throws(BrokerError) in try resolver.watch(view) })
        case .statuses(let statuses): return .statuses(statuses.sortedByName())
        case .count(let count): return .count(count)
        case .done: return .done
        case .abandoned: return .deliveries([], unreadable: [])
        case .refused(let error): return .refused(error)
        // Answers to what no ``Request`` asks for.
        default: return .refused(Engine.mixedUp)
        }
    }

    // MARK: Time

    /// The engine's own time in milliseconds: it never goes back, over restarts either.
    package var time: Int64 { core.now.engine }
    /// Whether the wall clock jumped too far to be believed: nothing is dropped because of its age.
    package var isClockDoubtful: Bool { core.isClockDoubtful }
    /// Milliseconds until the next turn is needed though nobody asks for one; nil for never.
    package var nextTurn: Int64? { core.nextTurn }

    // MARK: Durability

    /// Why nothing is confirmed any more.
    package var failure: BrokerError? { core.failure }
    /// What opening the journal found and did.
    package var recovery: JournalRecovery { core.journal.recovery }
    /// Whether all that was recorded is durable.
    package var isSynced: Bool { core.journal.isSynced }

    /// Writes what was recorded and begins a sync of it: `run()` it, then ``endSync(_:failure:)``. Nil when there is nothing to sync, or one
    /// is under way.
    package mutating func beginSync() -> JournalSync? { core.beginSync() }
    package mutating func endSync(_ sync: JournalSync, failure: JournalError?) { core.endSync(sync, failure: failure) }
    /// When the journal has been idle for a second, says on disk what is durable.
    package mutating func markIfIdle() { core.markIfIdle() }

    /// Whether it is time for a checkpoint.
    package var isCheckpointDue: Bool { core.isCheckpointDue }

    /// Begins a checkpoint of the state as it is now, between turns; nil while one is under way, or when the store has failed.
    package mutating func beginCheckpoint() -> CheckpointWork? { core.beginCheckpoint() }

    /// Notes how writing a checkpoint ended.
    package mutating func endCheckpoint(_ work: CheckpointWork, failure: JournalError?) { core.endCheckpoint(work, failure: failure) }

    /// Gives segments back in which nothing is needed, and begins to look for what is to be moved out of others; nil when there is nothing.
    package mutating func beginMoves() -> MoveScan? {
        core.reclaimDead()
        return core.beginScan()
    }

    /// Moves what was found and is still needed.
    package mutating func endMoves(_ result: MoveScan.Result) { core.endScan(result) }

    /// Begins work on files that takes long: `run()` it, then ``endMaintenance(_:)``. Nil when there is nothing to do.
    package mutating func beginMaintenance() -> JournalMaintenance? { core.journal.beginMaintenance() }
    package mutating func endMaintenance(_ result: JournalMaintenance.Result) { core.journal.endMaintenance(result) }

    /// How the numbers that are kept of the journal's space differ from what is there; nil where they do not.
    package func spaceError() -> String? { core.state.useError() }
    /// The bytes of all files that the journal keeps.
    package var diskBytes: Int { core.journal.diskBytes }
    /// About how many bytes of them are needed.
    package var liveBytes: Int { core.state.use.total.bytes }

    /// The jobs of a queue in their order.
    package struct Line: Sendable {
        /// All unfinished ones by their places, whatever they wait for.
        package var places: [JobID] = []
        /// Those that are ready, in the order in which they would be leased.
        package var ready: [JobID] = []
    }

    /// The lines of all queues: what no request asks for, and what the next leases show bit by bit.
    package func lines() -> [QueueName: Line] {
        let identity = core.state.identity, places = core.state.places()
        return core.state.queues.numbers.mapValues { number in
            Line(
                places: (places[number] ?? []).map(identity.jobID),
                ready: core.state.readyLine(of: number).map(identity.jobID)
            )
        }
    }

    /// How long each queue has been busy, in milliseconds, and how many jobs ended in that time, as far as it counts for how fast jobs end.
    package func paces() -> [QueueName: (busy: Int64, ended: Int)] {
        core.state.queues.numbers.mapValues { core.state.queues.at($0).pointee.throughput.counted(at: core.state.leaseNow) }
    }

    /// Writes and syncs what is there and gives the storage back; everybody who still waits is answered.
    package mutating func close() { core.close() }
}
