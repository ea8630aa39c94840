import DequeModule
package import GodwitCore

/// The way of all commits of a client, in their order: what comes while one request is in flight gathers for the next.
///
/// A state machine that knows neither sockets nor clocks. It numbers transactions in a session, so that a request whose answer was lost can be
/// sent again: the server then answers as the first time. The protocol with whoever sends:
///
/// 1. ``add(_:_:)`` says whether a request is to be sent; ``next(at:)`` is that request.
/// 2. Its answer goes to ``answered(_:at:)``, its failure to ``failed(_:at:random:)``, which says whether ``again(at:)`` follows after a while.
/// 3. When it is settled either way, ``next(at:)`` is what gathered meanwhile, if anything did.
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
        /// A request is to be sent now.
        case sends
        /// It goes with a later one.
        case waits
        case refused(BrokerError)
    }

    /// What came of a caller's transactions.
    package struct Settled: Sendable {
        package var ticket: Ticket
        package var outcome: Result<ArraySlice<TransactionOutcome>, BrokerError>
    }

    package enum Reaction: Sendable {
        case again(after: Duration)
        case settled([Settled])
    }

    /// Callers' transactions that make one request.
    private struct Gathering {
        var transactions: [Transaction] = []
        var entries: [(count: Int, ticket: Ticket)] = []
        var size = CommitSize()

        mutating func add(_ load: Load) {
            transactions.append(contentsOf: load.transactions)
            entries.append((load.transactions.count, load.ticket))
            size += load.size
        }

        func settled(_ error: BrokerError) -> [Settled] {
            entries.map { Settled(ticket: $0.ticket, outcome: .failure(error)) }
        }
    }

    private struct Flight {
        var gathering: Gathering
        var number: UInt64
        var persistence: Persistence
        /// Whether nothing of it is on its way: it is sent again later.
        var isResting = false
    }

    private let configuration: RemoteConfiguration
    private let newSession: () -> String
    private var gatherings = Deque<Gathering>()
    private var gathered = CommitSize()
    private var flight: Flight?
    private var session: String
    private var nextNumber: UInt64 = 1
    private var acknowledged: UInt64 = 0
    /// Whether the server is known to know the session.
    private var isEstablished = false
    private var lastUsed: Instant?
    private var isClosed = false

    /// - Parameter newSession: draws a random session id.
    package init(_ configuration: RemoteConfiguration, newSession: @escaping () -> String) {
        self.configuration = configuration
        self.newSession = newSession
        session = newSession()
    }

    package var isIdle: Bool { flight == nil && gatherings.isEmpty }

    package mutating func add(_ load: Load) -> Admission {
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
        if let last = gatherings.indices.last, gatherings[last].size.fits(load.size, in: .request) {
            gatherings[last].add(load)
        } else {
            var gathering = Gathering()
            gathering.add(load)
            gatherings.append(gathering)
        }
        return flight == nil ? .sends : .waits
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
            persistence: Persistence(.numbered, to: configuration, start: now)
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
        isEstablished || flight.persistence.age(at: now) > Limits.sessionLife / 2
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
        for (count, ticket) in flight.gathering.entries {
            settled.append(Settled(ticket: ticket, outcome: .success(outcomes[start..<start + count])))
            start += count
        }
        return settled
    }

    package mutating func failed(_ failure: ExchangeFailure, at now: Instant, random: UInt64) -> Reaction {
        guard var flight else { return .settled([]) }
        let error: BrokerError
        switch flight.persistence.failed(failure, at: now, random: random) {
        case .again(let wait) where !isClosed:
            flight.isResting = true
            self.flight = flight
            return .again(after: wait)
        case .again: error = flight.persistence.end(failure)
        case .giveUp(let last): error = last
        }
        self.flight = nil
        // What was in doubt may still arrive: in a session that nobody goes on with it does no harm.
        if flight.persistence.isInDoubt || error.code == .outcomeUnknown { beginSession() }
        return .settled(flight.gathering.settled(error))
    }

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
    }
}

/// A commit request before it is written.
package struct CommitParts: Sendable {
    package var session: SessionCommit
    package var transactions: [Transaction]
    package var deadline: ContinuousClock.Instant
}
