import GodwitCore
import Logging

import struct Foundation.Date

/// Fires schedules: for each due time one transaction moves the schedule's record from the last due time to this one, if nobody else did
/// so before, and enqueues the job.
struct Scheduler: Sendable {
    /// What the record of a schedule says.
    private struct Firing: Codable {
        /// The last due time that was fired, or, before the first, when the schedule was first seen.
        var last: Date
        /// The due time after it, for people who look; nil when there is none for decades.
        var next: Date?
    }

    private struct Known {
        var last: Timestamp
        var version: Version
    }

    /// A schedule that could not be fired: the queue or the disk was full, or the job could not be made.
    private struct Setback {
        var count: Int
        /// Not tried again before.
        var until: Timestamp
    }

    /// The wall clock may be set meanwhile: it is looked at least so often.
    private static let longestSleep: Duration = .seconds(30)
    private static let setbackWait = Backoff(base: .seconds(2), cap: .seconds(60))
    /// A last due time that is further ahead was fired by a clock that was wrong.
    private static let longestLead: Duration = .seconds(86_400)

    private let schedules: [CheckedSchedule]
    private let client: JobClient
    private let logger: Logger
    private var known: [String: Known] = [:]
    private var setbacks: [String: Setback] = [:]

    init(_ schedules: [CheckedSchedule], client: JobClient, logger: Logger) {
        self.schedules = schedules
        self.client = client
        self.logger = logger
    }

    /// Fires what is due until the task is cancelled.
    /// - Throws: ``BrokerError`` when the store failed, or was closed.
    func run() async throws {
        var scheduler = self
        var random = RandomFunction(function: client.random)
        var failures = 0
        while !Task.isCancelled {
            var sleep = Self.longestSleep
            do throws(BrokerError) {
                if let next = try await scheduler.fireDue() { sleep = min(sleep, max(.zero, next - client.clock.now)) }
                failures = 0
            } catch {
                guard error.code == .unavailable || error.code == .outcomeUnknown else { throw error }
                if Task.isCancelled { break }
                failures += 1
                logger.warning("schedules cannot be looked at: trying again", metadata: ["error": "\(error)"])
                sleep = min(sleep, Backoff.standard.delay(after: failures, using: &random))
            }
            try? await client.clock.sleep(for: sleep)
        }
    }

    /// Fires every schedule that is due.
    /// - Returns: when to look again; nil when nothing is due for decades.
    mutating func fireDue() async throws(BrokerError) -> Timestamp? {
        var next: Timestamp?
        for schedule in schedules {
            guard let due = try await fire(schedule) else { continue }
            next = min(next ?? due, due)
        }
        return next
    }

    private mutating func fire(_ schedule: CheckedSchedule) async throws(BrokerError) -> Timestamp? {
        while true {
            let now = client.clock.now
            if let wait = setbacks[schedule.name]?.until, wait > now { return wait }
            do {
                let known = try await known(schedule, at: now)
                var due = schedule.times.last(after: known.last, notAfter: now)
                var operations: [Operation] = []
                if known.last - now > Self.longestLead {
                    logger.error(
                        "a schedule's last due time lies ahead: the clock was wrong then, or is now; it begins anew",
                        metadata: ["schedule": "\(schedule.name)", "last": "\(known.last)"]
                    )
                    due = now
                } else if let due {
                    var message = try schedule.make(due)
                    message.start(at: due, now)
                    operations = [.enqueue(message)]
                }
                guard let due else {
                    setbacks[schedule.name] = nil
                    return schedule.times.next(after: max(known.last, now))
                }
                operations.insert(
                    .put(schedule.record, value: Self.value(due, schedule), expecting: .version(known.version), lifetime: nil),
                    at: 0
                )
                guard case .put(let version)? = try await client.broker.commit(Transaction(operations)).first else {
                    self.known[schedule.name] = nil
                    continue
                }
                self.known[schedule.name] = Known(last: due, version: version)
                logger.debug("a schedule fired", metadata: ["schedule": "\(schedule.name)", "due": "\(due)"])
            } catch let error as BrokerError where error.code == .versionConflict {
                // Another worker was first.
                self.known[schedule.name] = nil
            } catch let error as BrokerError where error.isFatalToSchedules {
                if error.code == .outcomeUnknown { self.known[schedule.name] = nil }
                throw error
            } catch {
                let count = (setbacks[schedule.name]?.count ?? 0) + 1
                var random = RandomFunction(function: client.random)
                let least = max((error as? BrokerError)?.retryAfter ?? .zero, .seconds(1))
                setbacks[schedule.name] = Setback(count: count, until: now + least + Self.setbackWait.delay(after: count, using: &random))
                logger.error(
                    "a schedule could not be fired: trying again",
                    metadata: ["schedule": "\(schedule.name)", "error": "\(error)"]
                )
            }
        }
    }

    /// The schedule's record; made when there is none: what was due before a schedule was first seen is not fired.
    private mutating func known(_ schedule: CheckedSchedule, at now: Timestamp) async throws(BrokerError) -> Known {
        while true {
            if let known = known[schedule.name] { return known }
            if let record = try await client.broker.read([schedule.record]).first ?? nil {
                // A value that cannot be read is one that somebody else put there: it begins anew.
                let firing = try? JobCoding.decode(Firing.self, from: record.value)
                let last = firing.map { Timestamp($0.last) } ?? now
                known[schedule.name] = Known(last: last, version: record.version)
                if firing?.next.map({ Timestamp($0) }) != schedule.times.next(after: last) {
                    try await tell(schedule, last: last, version: record.version)
                }
                continue
            }
            let outcome = try await client.broker.commit([
                Transaction(.put(schedule.record, value: Self.value(now, schedule), expecting: .absent, lifetime: nil))
            ]).first
            switch outcome {
            case .committed(let results):
                guard case .put(let version)? = results.first else { continue }
                known[schedule.name] = Known(last: now, version: version)
            case .aborted(_, let error) where error.code == .versionConflict: continue
            case .aborted(_, let error): throw error
            case nil: throw BrokerError(.unavailable, "the broker answered nothing: look at it, and try again")
            }
        }
    }

    /// Says in a schedule's record when it is due next: the schedule is another one than when it was written. That is for people who look, and
    /// keeps no firing: where it cannot be written it stays as it is.
    private mutating func tell(_ schedule: CheckedSchedule, last: Timestamp, version: Version) async throws(BrokerError) {
        let outcome = try await client.broker.commit([
            Transaction(.put(schedule.record, value: Self.value(last, schedule), expecting: .version(version), lifetime: nil))
        ]).first
        switch outcome {
        case .committed(let results):
            if case .put(let version)? = results.first { known[schedule.name]?.version = version }
        // Another worker was first.
        case .aborted(_, let error) where error.code == .versionConflict: known[schedule.name] = nil
        case .aborted, nil: break
        }
    }

    private static func value(_ last: Timestamp, _ schedule: CheckedSchedule) -> Bytes {
        let next = schedule.times.next(after: last).map { ",\"next\":\"\($0)\"" } ?? ""
        return Bytes("{\"last\":\"\(last)\"\(next)}")
    }
}

extension NewMessage {
    /// Where this clock is ahead of the store's, the store holds the job until it is due there, too: else the worker whose clock is the furthest
    /// ahead would say when a schedule fires.
    fileprivate mutating func start(at due: Timestamp, _ now: Timestamp) {
        switch start {
        case .now: start = .at(due)
        case .after(let delay): start = .at(now + delay)
        case .at: break
        }
    }
}

extension BrokerError {
    fileprivate var isFatalToSchedules: Bool {
        switch code {
        case .closed, .storeFailed, .unavailable, .outcomeUnknown: true
        default: false
        }
    }
}
