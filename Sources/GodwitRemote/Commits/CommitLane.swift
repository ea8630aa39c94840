import DequeModule
package import GodwitCore

/// The way of all commits of a client, in their order: what comes while one request is in flight gathers for the next.
///
/// A state machine that knows neither sockets nor clocks. It numbers transactions in a session, so that a request whose answer was lost can be
/// sent again: the server then answers as the first time. The protocol with whoever sends:
///
/// 1. ``add(_:at:)`` says whether a request is to be sent; ``next(at:)`` is that request.
/// 2. Its answer goes to ``answered(_:at:)``, its failure to ``failed(_:at:random:)``, which says whether ``again(at:)`` follows after a while.
/// 3. When it is settled either way, ``next(at:)`` is what gathered meanwhile, if anything did.
///
/// Each caller's patience begins when it asks, not when its turn comes: whenever a try fails, all who have waited long enough are told, those
/// behind it, too. They wait no longer than their patience and one answer's time, however many there are.
package struct CommitLane<Ticket: Sendable> {
    package typealias Instant = ContinuousClock.Instant

    /// What one caller commits. It is never spread over two requests.
    package struct Load: Sendable {
        package var transactions: [Transaction]
        package var size: CommitSize
        package var ticket: Ticket

        package init(_ transactions: [Transaction], ticket: Ticket) {
            self.transactions = transactions
            size = CommitSize(transactions)
            self.ticket = ticket
        }
    }

    package enum Admission: Sendable {
        /// A request is to be sent now. The number is for ``leave(_:)``.
        case sends(UInt64)
        /// It goes with a later one.
        case waits(UInt64)
        case refused(BrokerError)
    }

    /// What came of a caller's transactions.
    package struct Settled: Sendable {
        package var ticket: Ticket
        package var outcome: Result<ArraySlice<TransactionOutcome>, BrokerError>
    }

    package enum Reaction: Sendable {
        /// It is sent again. Some callers do not wait for that.
        case again(after: Duration, settled: [Settled])
        case settled([Settled])
    }

    /// A caller's place in a request.
    private struct Entry {
        let number: UInt64
        let asked: Instant
        let size: CommitSize
        let ticket: Ticket
        /// Whether it was told already that it waits no longer.
        var isTold = false

        func settled(_ error: BrokerError) -> Settled { Settled(ticket: ticket, outcome: .failure(error)) }
    }

    /// Callers' transactions that make one request.
    private struct Gathering {
        private(set) var transactions: [Transaction] = []
        private(set) var entries: [Entry] = []
        private(set) var size = CommitSize()

        mutating func add(_ load: Load, _ number: UInt64, at now: Instant) {
            transactions.append(contentsOf: load.transactions)
            entries.append(Entry(number: number, asked: now, size: load.size, ticket: load.ticket))
            size += load.size
        }

        /// Takes callers out, with their transactions; for one that was never sent.
        mutating func remove(where leaves: (Entry) -> Bool) -> [Entry] {
            guard entries.contains(where: leaves) else { return [] }
            var removed: [Entry] = [], rest = Gathering(), start = 0
            for entry in entries {
                let end = start + entry.size.transactions
                if leaves(entry) {
                    removed.append(entry)
                } else {
                    rest.transactions += transactions[start..<end]
                    rest.entries.append(entry)
                    rest.size += entry.size
                }
                start = end
            }
            self = rest
            return removed
        }

        /// Tells those callers that they wait no longer; their transactions stay.
        mutating func tell(where isOver: (Entry) -> Bool, _ error: @autoclosure () -> BrokerError) -> [Settled] {
            var settled: [Settled] = []
            for index in entries.indices where !entries[index].isTold && isOver(entries[index]) {
                entries[index].isTold = true
                settled.append(entries[index].settled(error()))
            }
            return settled
        }

        func settled(_ error: BrokerError) -> [Settled] { entries.lazy.filter { !$0.isTold }.map { $0.settled(error) } }
    }

    private struct Flight {
        var gathering: Gathering
        var number: UInt64
        var persistence: Persistence
        let firstSent: Instant
        /// Whether nothing of it is on its way: it is sent again later.
        var isResting = false
    }

    private let configuration: RemoteConfiguration
    private let newSession: () -> String
    private var gatherings = Deque<Gathering>()
    private var gathered = CommitSize()
    private var lastEntry: UInt64 = 0
    private var flight: Flight?
    private var session: String
    private var nextNumber: UInt64 = 1
    private var acknowledged: UInt64 = 0
    /// Whether the server is known to know the session.
    private var isEstablished = false
    /// Whether anything was sent again in the session.
    private var hasRepeated = false
    private var lastUsed: Instant?
    private var isClosed = false

    /// - Parameter newSession: draws a random session id.
    package init(_ configuration: RemoteConfiguration, newSession: @escaping () -> String) {
        self.configuration = configuration
        self.newSession = newSession
        session = newSession()
    }

    package var isIdle: Bool { flight == nil && gatherings.isEmpty }
    /// How many callers wait for their turn.
    package var waiting: Int { gatherings.reduce(0) { $0 + $1.entries.count } }

    package mutating func add(_ load: Load, at now: Instant) -> Admission {
        if isClosed { return .refused(.closedClient) }
        guard gathered.fits(load.size, in: .waiting) else {
            return .refused(
                .busy(
                    "\(gathered.transactions) commits wait for an answer of the server's already: try again later",
                    retryAfter: .seconds(1)
                )
            )
        }
        gathered += load.size
        lastEntry += 1
        if let last = gatherings.indices.last, gatherings[last].size.fits(load.size, in: .request) {
            gatherings[last].add(load, lastEntry, at: now)
        } else {
            var gathering = Gathering()
            gathering.add(load, lastEntry, at: now)
            gatherings.append(gathering)
        }
        return flight == nil ? .sends(lastEntry) : .waits(lastEntry)
    }

    /// Nobody waits for it any more.
    /// - Returns: nil when it is not taken back, for it is on its way, or settled.
    package mutating func leave(_ number: UInt64) -> Ticket? {
        guard let index = gatherings.firstIndex(where: { $0.entries.last.map { $0.number >= number } ?? false }) else { return nil }
        return removeWaiting(from: index, where: { $0.number == number }).first?.ticket
    }

    private mutating func removeWaiting(from index: Int, where leaves: (Entry) -> Bool) -> [Entry] {
        let removed = gatherings[index].remove(where: leaves)
        for entry in removed { gathered -= entry.size }
        if gatherings[index].entries.isEmpty { gatherings.remove(at: index) }
        return removed
    }

    /// Tells those who wait behind what failed, and have waited long enough.
    private mutating func tellWaiting(_ failure: ExchangeFailure, at now: Instant) -> [Settled] {
        var entries: [Entry] = []
        let configuration = configuration
        for index in gatherings.indices.reversed() {
            entries += removeWaiting(from: index) { configuration.isOver(forOneOf: $0.asked, after: failure, at: now) }
        }
        guard !entries.isEmpty else { return [] }
        // It was never sent.
        let error = Persistence.error(for: failure, .harmless, server: configuration.url.description)
        return entries.map { $0.settled(error) }
    }

    /// What is to be sent; nil while something is in flight, and when nothing waits.
    package mutating func next(at now: Instant) -> CommitParts? {
        guard flight == nil, let gathering = gatherings.popFirst() else { return nil }
        gathered -= gathering.size
        // A session ends when it is not used for a while: one that may be near its end is not gone on with.
        if let lastUsed, now - lastUsed > Limits.sessionLife / 2 { beginSession() }
        lastUsed = now
        flight = Flight(
            gathering: gathering,
            number: nextNumber,
            persistence: Persistence(.numbered, to: configuration, asked: gathering.entries.last?.asked, start: now),
            firstSent: now
        )
        nextNumber += UInt64(gathering.transactions.count)
        return again(at: now)
    }

    /// What is in flight, to be sent (again).
    package mutating func again(at now: Instant) -> CommitParts? {
        guard let flight else { return nil }
        self.flight?.isResting = false
        lastUsed = now
        return CommitParts(
            session: SessionCommit(
                id: session,
                number: flight.number,
                acknowledged: acknowledged,
                isRepeat: flight.persistence.isInDoubt && isCertain(flight, at: now)
            ),
            transactions: flight.gathering.transactions,
            deadline: flight.persistence.deadline(from: now, timeout: configuration.requestTimeout)
        )
    }

    /// Whether the server must know the session if it carried out what is in doubt. The very first transactions of a session make it: where
    /// they did not arrive, a server that is told of a repetition finds no session, and would rightly say that it cannot know. They may be
    /// sent as if for the first time, for a session that they made cannot have ended yet.
    private func isCertain(_ flight: Flight, at now: Instant) -> Bool {
        isEstablished || now - flight.firstSent > Limits.sessionLife / 2
    }

    /// - Returns: what the callers are told; nil when the answer does not fit the request.
    package mutating func answered(_ outcomes: [TransactionOutcome], at now: Instant) -> [Settled]? {
        guard let flight, outcomes.count == flight.gathering.transactions.count else { return nil }
        self.flight = nil
        lastUsed = now
        acknowledged = nextNumber - 1
        if !isEstablished {
            isEstablished = outcomes.contains { if case .committed = $0 { true } else { false } }
        }
        var settled: [Settled] = [], start = 0
        settled.reserveCapacity(flight.gathering.entries.count)
        for entry in flight.gathering.entries {
            let end = start + entry.size.transactions
            if !entry.isTold { settled.append(Settled(ticket: entry.ticket, outcome: .success(outcomes[start..<end]))) }
            start = end
        }
        return settled
    }

    package mutating func failed(_ failure: ExchangeFailure, at now: Instant, random: UInt64) -> Reaction {
        guard var flight else { return .settled([]) }
        let others = tellWaiting(failure, at: now)
        let error: BrokerError
        switch flight.persistence.failed(failure, at: now, random: random) {
        case .again(let wait) where !isClosed:
            let persistence = flight.persistence
            let told = flight.gathering.tell(where: { persistence.isOver(forOneOf: $0.asked, at: now) }, persistence.end(failure))
            flight.isResting = true
            if persistence.isInDoubt { hasRepeated = true }
            self.flight = flight
            return .again(after: wait, settled: told + others)
        case .again: error = flight.persistence.end(failure)
        case .giveUp(let last): error = last
        }
        self.flight = nil
        // What was in doubt may still arrive: in a session that nobody goes on with it does no harm.
        if flight.persistence.isInDoubt || error.code == .outcomeUnknown { beginSession() }
        return .settled(flight.gathering.settled(error) + others)
    }

    /// The session, when nobody goes on with it and nothing of it can still be on its way: every request of it had its answer at the first try.
    package var finished: String? { isClosed && flight == nil && isEstablished && !hasRepeated ? session : nil }

    /// Takes nothing more.
    /// - Returns: those who wait and for whom nothing is on its way.
    package mutating func close() -> [Settled] {
        isClosed = true
        var settled = gatherings.flatMap { $0.settled(.closedClient) }
        gatherings = []
        gathered = CommitSize()
        if let flight, flight.isResting {
            settled += flight.gathering.settled(flight.persistence.end(.closed))
            self.flight = nil
        }
        return settled
    }

    private mutating func beginSession() {
        session = newSession()
        nextNumber = 1
        acknowledged = 0
        isEstablished = false
        hasRepeated = false
    }
}

/// A commit request before it is written.
package struct CommitParts: Sendable {
    package var session: SessionCommit
    package var transactions: [Transaction]
    package var deadline: ContinuousClock.Instant

    /// The trace of the jobs that it makes, where all are of one: the request then is a part of it. The jobs of a busy client travel together,
    /// whatever their traces; a server links them to the request.
    package var trace: TraceContext? {
        var common: TraceContext?
        for transaction in transactions {
            for operation in transaction.operations {
                switch operation {
                case .enqueue(let message):
                    guard !message.headers.isEmpty, let trace = TraceContext(message.headers),
                        common == nil || common == trace
                    else { return nil }
                    common = trace
                // What follows has traces of its own, or none.
                case .add: return nil
                default: break
                }
            }
        }
        return common
    }
}
