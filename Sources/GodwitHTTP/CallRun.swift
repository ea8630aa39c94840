import GodwitCore
import GodwitWire

/// Answers the calls of one request, one after the other, in an answer of bounded size.
struct CallRun {
    /// Jobs or records that one call may ask for, and how many are read at a time.
    static let mostItems = 10_000
    private static let jobsAtATime = 1_000, recordsAtATime = 16

    let broker: any Broker
    let permissions: Permissions
    let audit: RequestAudit
    private let sharedHolder: HolderID
    private let jobBytes: Int
    private let reserve: (_ bytes: Int) throws(Problem) -> Void
    private let glance: QueuesGlance
    /// Those that may be seen: however often one request asks, they are looked through once.
    private var queues: [QueueStatus]?
    /// Bytes that the answer may still take, about: the one that goes over is the last.
    private var room = Limits.leaseBytes

    /// - Parameters:
    ///   - jobBytes: of the largest payload or result.
    ///   - reserve: takes room for the whole answer so far, and for what is read next; throws when there is none.
    init(
        broker: any Broker,
        permissions: Permissions,
        audit: RequestAudit,
        sharedHolder: HolderID,
        jobBytes: Int,
        glance: QueuesGlance,
        reserve: @escaping (_ bytes: Int) throws(Problem) -> Void
    ) {
        self.broker = broker
        self.jobBytes = jobBytes
        self.reserve = reserve
        self.glance = glance
        self.sharedHolder = sharedHolder
        self.permissions = permissions
        self.audit = audit
    }

    mutating func answer(_ call: Call) async -> CallAnswer {
        guard call.needs.allSatisfy({ permissions.allows($0) }) else { return .refused(.forbidden) }
        guard room > 0 else { return .refused(Self.full) }
        do throws(Problem) {
            let most = call.mostBytes(ofJob: jobBytes)
            if most > 0 { try reserve(Limits.leaseBytes - room + most) }
        } catch {
            return .refused(.busy(error.detail, retryAfter: error.retryAfter ?? .seconds(1)))
        }
        do throws(BrokerError) {
            let answer = try await carryOut(call)
            if call.changesQueues {
                queues = nil
                glance.forget()
            }
            audit.note(call)
            room -= answer.size
            return answer
        } catch {
            return .refused(error)
        }
    }

    private static let full = BrokerError.busy(
        "what was asked for before this fills the answer: ask for this again",
        retryAfter: .milliseconds(1)
    )

    private mutating func carryOut(_ call: Call) async throws(BrokerError) -> CallAnswer {
        switch call {
        case .jobs(let ids): return .jobs(try await read(ids))
        case .records(let keys): return .records(try await read(keys))
        case .payload(let id): return .content(try await broker.payload(of: id))
        case .result(let id): return .content(try await broker.result(of: id))
        case .browse(let query):
            var page = try await broker.browse(query)
            for index in page.jobs.indices { page.jobs[index].job = shown(page.jobs[index].job) }
            return .browsed(page)
        case .list(let query):
            var page = try await broker.list(query)
            page.jobs = page.jobs.map { shown($0) }
            return .listed(page)
        case .queues: return .queues(try await allQueues())
        case .queue(let name): return .queue(try await broker.queue(name))
        case .configure(let name, let settings, let expecting, let startsPaused):
            if let target = settings.deadLetterQueue, !permissions.allows(try QueueName(target)),
                try await broker.queue(name)?.settings.deadLetterQueue != target
            {
                var error = BrokerError.forbidden
                error.field = "dead_letter_queue"
                throw error
            }
            return .queue(try await broker.configure(name, settings, expecting: expecting, startsPaused: startsPaused))
        case .pause(let name): try await broker.pause(name)
        case .resume(let name): try await broker.resume(name)
        case .purge(let name): return .purged(try await broker.purge(name))
        case .delete(let name, let purging): try await broker.delete(name, purging: purging)
        case .check: try await broker.check()
        }
        return .done
    }

    private mutating func allQueues() async throws(BrokerError) -> [QueueStatus] {
        if let queues { return queues }
        let seen = try await glance.queues(broker).filter { permissions.allows($0.name) }
        do throws(Problem) { try reserve(Limits.leaseBytes - room + seen.count * QueueStatus.mostBytes) } catch {
            throw .busy(error.detail, retryAfter: error.retryAfter ?? .seconds(1))
        }
        queues = seen
        return seen
    }

    private func read(_ ids: [JobID]) async throws(BrokerError) -> [JobLookup] {
        try Self.check(ids.count)
        var lookups: [JobLookup] = []
        lookups.reserveCapacity(ids.count)
        var bytes = 0
        for start in stride(from: 0, to: ids.count, by: Self.jobsAtATime) {
            let part = try await broker.read(Array(ids[start..<min(start + Self.jobsAtATime, ids.count)]))
            lookups += part.map { $0.showing(shown) }
            bytes += part.reduce(0) { $0 + $1.size }
            try Self.check(bytes: bytes)
        }
        return lookups
    }

    private func shown(_ job: JobSnapshot) -> JobSnapshot { permissions.shown(job, hiding: sharedHolder) }

    private func read(_ keys: [RecordKey]) async throws(BrokerError) -> [Record?] {
        try Self.check(keys.count)
        var records: [Record?] = []
        records.reserveCapacity(keys.count)
        var bytes = 0
        for start in stride(from: 0, to: keys.count, by: Self.recordsAtATime) {
            let part = try await broker.read(Array(keys[start..<min(start + Self.recordsAtATime, keys.count)]))
            records += part
            bytes += part.reduce(0) { $0 + ($1?.value.count ?? 0) }
            try Self.check(bytes: bytes)
        }
        return records
    }

    private static func check(_ count: Int) throws(BrokerError) {
        guard count <= mostItems else {
            throw BrokerError(.tooLarge, "one call asks for at most \(mostItems) jobs or records, this one for \(count): split it")
        }
    }

    private static func check(bytes: Int) throws(BrokerError) {
        // One that fills an answer by itself still gets through.
        guard bytes <= 2 * Limits.leaseBytes else {
            throw BrokerError(.tooLarge, "what this call asks for has more than \(2 * Limits.leaseBytes) bytes: ask for fewer at a time")
        }
    }
}

extension Call {
    fileprivate var changesQueues: Bool {
        switch self {
        case .configure, .pause, .resume, .purge, .delete: true
        case .jobs, .records, .payload, .result, .browse, .list, .queues, .queue, .check: false
        }
    }
}

extension RequestAudit {
    /// Acts of administration that were done.
    fileprivate func note(_ call: Call) {
        switch call {
        case .configure(let name, _, _, _): note("configure", ["queue": name.description])
        case .pause(let name): note("pause", ["queue": name.description])
        case .resume(let name): note("resume", ["queue": name.description])
        case .purge(let name): note("purge", ["queue": name.description])
        case .delete(let name, _): note("delete", ["queue": name.description])
        case .jobs, .records, .payload, .result, .browse, .list, .queues, .queue, .check: break
        }
    }
}
