import Foundation
package import GodwitCore
package import GodwitJournal
import Logging
import Synchronization

/// The durable queue engine: a store on a folder, owned by a thread of its own, behind the ``Broker`` protocol.
package final class Engine: Broker {
    /// The folder's absolute path; nil for a store that is not on files.
    package let directory: String?
    /// What opening the journal found and did.
    package let recovery: JournalRecovery

    /// Whether the wall clock jumped too far to be believed: no finished job and no key is dropped because of its age.
    package let isClockDoubtful: Bool

    private let inbox: Inbox
    let clock: any EngineClock
    let backups = Permits(Engine.backupsAtOnce)
    let resolver: ViewResolver
    private let tickets = Atomic<UInt64>(1)
    private let ended: Ended

    package var capabilities: Capabilities {
        Capabilities(
            durability: .disk,
            failoverLoses: .none,
            atomicAcrossQueues: true,
            readsUnsynced: false,
            monotonicFencing: true,
            priorityLevels: 256,
            order: .strict,
            delayResolution: .milliseconds(1),
            exactBounds: true,
            sharedByProcesses: false
        )
    }

    /// Opens the store in a folder, or makes one.
    /// - Throws: `storeLocked`, `storeCorrupt`, `storeNewer`, `storeFailed`.
    package static func open(directory: String, options: EngineOptions = EngineOptions()) async throws(BrokerError) -> Engine {
        let path = URL(fileURLWithPath: directory).standardizedFileURL.path
        return try await open(FileStorage(path), directory: path, options: options)
    }

    /// Opens the store in a storage, or makes one.
    /// - Throws: `storeLocked`, `storeCorrupt`, `storeNewer`, `storeFailed`.
    package static func open(storage: any Storage, options: EngineOptions = EngineOptions()) async throws(BrokerError) -> Engine {
        try await open(storage, directory: nil, options: options)
    }

    private static func open(_ storage: any Storage, directory: String?, options: EngineOptions) async throws(BrokerError) -> Engine {
        // Replay takes as long as it takes: on the thread that will own the store, never on one of the cooperative pool.
        let opened: Result<Engine, BrokerError> = await withCheckedContinuation { continuation in
            let run: @Sendable () -> Void = {
                do throws(BrokerError) {
                    let core = try EngineCore.open(storage, options: options, at: options.clock.now())
                    let inbox = Inbox(), ended = Ended()
                    // The thread must not keep the engine alive: one that nobody has any more is closed.
                    continuation.resume(
                        returning: .success(attached(core, inbox: inbox, ended: ended, directory: directory, options: options))
                    )
                    let workers = WorkThreads()
                    let loop = EngineThread(core, inbox: inbox, workers: workers, clock: options.clock, logger: options.logger)
                    loop.run()
                    workers.stop()
                    ended.set()
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            do throws(SystemThread.StartFailure) {
                try SystemThread.start(name: "godwit-engine", run)
            } catch {
                continuation.resume(returning: .failure(BrokerError(.storeFailed, "the store cannot be opened: \(error)", cause: error)))
            }
        }
        let engine = try opened.get()
        engine.log(options.logger)
        return engine
    }

    private static func attached(
        _ core: borrowing EngineCore,
        inbox: Inbox,
        ended: Ended,
        directory: String?,
        options: EngineOptions
    ) -> Engine {
        let engine = Engine(core, inbox: inbox, ended: ended, directory: directory, options: options)
        options.clock.attach(engine)
        return engine
    }

    private init(_ core: borrowing EngineCore, inbox: Inbox, ended: Ended, directory: String?, options: EngineOptions) {
        self.directory = directory
        self.inbox = inbox
        self.ended = ended
        clock = options.clock
        recovery = core.journal.recovery
        isClockDoubtful = core.isClockDoubtful
        resolver = ViewResolver(reader: core.journal.reader, identity: core.state.identity, logger: options.logger)
    }

    /// A store that nobody has any more is closed, though nobody waits for it.
    deinit { inbox.close() }

    private func log(_ logger: Logger) {
        for cut in recovery.cuts {
            logger.warning(
                "bytes that were never confirmed were cut from the end of the store and kept aside",
                metadata: ["file": "\(cut.file)", "offset": "\(cut.offset)", "bytes": "\(cut.bytes)", "kept": "\(cut.keptAs)"]
            )
        }
        if isClockDoubtful {
            logger.warning(
                """
                the wall clock jumped by more than the tolerance while the machine was off: no result and no idempotency key is dropped \
                because of its age. Check the clock, then open the store once with `godwit serve --accept-clock`, or EmbeddedOptions.acceptsClock
                """
            )
        }
        logger.debug("store opened", metadata: ["records": "\(recovery.records)", "copied_groups": "\(recovery.copiedGroups)"])
    }

    package func close() async {
        inbox.close()
        await ended.wait()
        clock.detach(self)
    }

    // MARK: Asking the core

    private func nextTicket() -> Ticket { tickets.wrappingAdd(1, ordering: .relaxed).oldValue }

    /// Sends a command and waits for its answer.
    nonisolated(nonsending) func ask(_ command: Command) async throws(BrokerError) -> Answer {
        let asked = command.isPublish ? clock.ticks() : 0
        let answer = await withUnsafeContinuation { continuation in
            if !inbox.post(command, reply: .task(continuation, asked: asked)) {
                continuation.resume(returning: .refused(.closed))
            }
        }
        if case .refused(let error) = answer { throw error }
        return answer
    }

    /// Sends a command whose answer goes to a function, on the engine's thread.
    /// - Parameter mayWait: whether it may wait for long. Such a call has a number that no other one ever has, for its time-out names it.
    func send(_ command: Command, mayWait: Bool = false, then: @escaping @Sendable (Answer) -> Void) {
        let asked = command.isPublish ? clock.ticks() : 0
        if !inbox.post(command, ticket: mayWait ? nextTicket() : 0, reply: .function(then, asked: asked)) { then(.refused(.closed)) }
    }

    /// Sends a command that may wait for long; a cancelled task ends the wait at once.
    func askWaiting(_ command: Command) async throws(BrokerError) -> Answer {
        let ticket = nextTicket()
        let call = WaitingCall()
        let answer = await withTaskCancellationHandler {
            await withUnsafeContinuation { call.post(command, ticket, $0, to: inbox) }
        } onCancel: {
            call.cancel(ticket, in: inbox)
        }
        if case .refused(let error) = answer { throw error }
        return answer
    }

    /// Ends jobs that were leased and whose messages cannot be read: they must not keep the head of their queue. What may be readable again
    /// is tried again, after a while.
    func setAside(_ unreadable: [(job: LeasedJob, error: BrokerError)]) async throws(BrokerError) {
        let transactions = unreadable.map { job, error in
            PreparedTransaction.one(
                .fail(
                    LeaseName(sequence: job.view.sequence, fencing: job.fencing),
                    Failure(message: error.description, code: FailureCode.unreadable).bounded,
                    retry: error.code == .storeCorrupt ? .never : .standard
                )
            )
        }
        guard case .outcomes(let outcomes) = try await ask(.commit(transactions, nil)) else { throw Engine.mixedUp }
        // Where this was the last attempt, and the disk does not give back the dead letter either, it is tried once more.
        let rest = zip(unreadable, outcomes).compactMap { item, outcome in if case .aborted = outcome { item.job } else { nil } }
        if !rest.isEmpty { await giveBack(rest, after: .seconds(1)) }
    }

    /// Gives back what was leased for somebody who is gone.
    func giveBack(_ jobs: [LeasedJob], after delay: Duration? = nil) async {
        let transactions = jobs.map { job in
            PreparedTransaction.one(
                .release(LeaseName(sequence: job.view.sequence, fencing: job.fencing), PreparedRelease(delay: delay, isCounted: false))
            )
        }
        // Should it fail, the leases expire, or end with their holders.
        _ = try? await ask(.commit(transactions, nil))
    }

}

extension Engine: ClockFollower {
    package func followClock() async { _ = try? await ask(.followClock) }
}
