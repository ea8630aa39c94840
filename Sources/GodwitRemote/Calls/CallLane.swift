import DequeModule
package import GodwitCore
package import GodwitWire

/// The way of a client's reads, and of its acts of administration: a few requests are in flight at a time, and what comes while as many are
/// gathers for the next. An act that must not be done twice goes alone, so that what is not known of it is said of nothing else.
///
/// A state machine that knows neither sockets nor clocks. Patience is kept as by ``CommitLane``.
package struct CallLane<Ticket: Sendable>: Sendable {
    package typealias Instant = ContinuousClock.Instant
    package typealias Settled = (ticket: Ticket, answer: Result<CallAnswer, BrokerError>)

    /// A request to be sent.
    package struct Request: Sendable {
        /// Which one it is, for ``answered(_:_:)`` and ``failed(_:_:at:random:)``.
        package var number: UInt64
        package var calls: [Call]
        package var deadline: Instant
    }

    package enum Reaction: Sendable {
        /// It is sent again. Some callers do not wait for that.
        case again(after: Duration, settled: [Settled])
        case settled([Settled])
    }

    private struct Entry: Sendable {
        let number: UInt64
        let asked: Instant
        let call: Call
        let ticket: Ticket
        /// Whether it waits no longer.
        var isTold = false
    }

    private struct Gathering: Sendable {
        var entries: [Entry]
        var weight: Int
        let kind: Persistence.Kind

        /// Those who wait no longer.
        mutating func tell(where isOver: (Entry) -> Bool) -> [Ticket] {
            var told: [Ticket] = []
            for index in entries.indices where !entries[index].isTold && isOver(entries[index]) {
                entries[index].isTold = true
                told.append(entries[index].ticket)
            }
            return told
        }

        /// The same, and their calls are not asked for; for one that was never sent.
        mutating func remove(where leaves: (Entry) -> Bool) -> [Entry] {
            let removed = entries.filter(leaves)
            guard !removed.isEmpty else { return [] }
            entries.removeAll(where: leaves)
            weight -= removed.reduce(0) { $0 + $1.call.weight }
            return removed
        }

        func settled(_ answer: Result<CallAnswer, BrokerError>) -> [Settled] {
            entries.lazy.filter { !$0.isTold }.map { ($0.ticket, answer) }
        }
    }

    private struct Flight: Sendable {
        var gathering: Gathering
        var persistence: Persistence
    }

    /// Requests in flight at a time.
    package static var flights: Int { 4 }
    /// What one request may weigh; see ``Call/weight``.
    package static var heaviest: Int { 1_000 }
    /// Jobs and records that may be waited for; any other call counts as one.
    package static var longest: Int { 100_000 }

    private let configuration: RemoteConfiguration
    private var gatherings = Deque<Gathering>()
    private var waiting = 0
    private var lastEntry: UInt64 = 0
    private var inFlight: [UInt64: Flight] = [:]
    private var lastNumber: UInt64 = 0
    private var isClosed = false

    package init(_ configuration: RemoteConfiguration) { self.configuration = configuration }

    /// - Returns: a number for ``leave(_:)``.
    /// - Throws: why it is not taken.
    package mutating func add(_ call: Call, ticket: Ticket, at now: Instant) throws(BrokerError) -> UInt64 {
        if isClosed { throw .closedClient }
        guard waiting == 0 || waiting + call.things <= Self.longest else {
            throw .busy("\(waiting) reads wait for an answer of the server's already: try again later", retryAfter: .seconds(1))
        }
        waiting += call.things
        lastEntry += 1
        let entry = Entry(number: lastEntry, asked: now, call: call, ticket: ticket)
        if let last = gatherings.indices.last, gatherings[last].kind == .harmless, call.kind == .harmless,
            gatherings[last].weight + call.weight <= Self.heaviest
        {
            gatherings[last].entries.append(entry)
            gatherings[last].weight += call.weight
        } else {
            gatherings.append(Gathering(entries: [entry], weight: call.weight, kind: call.kind))
        }
        return lastEntry
    }

    /// Nobody waits for it any more.
    /// - Returns: nil when it is an act that is on its way, or is settled.
    package mutating func leave(_ number: UInt64) -> Ticket? {
        if let index = gatherings.firstIndex(where: { $0.entries.last.map { $0.number >= number } ?? false }),
            let entry = removeWaiting(from: index, where: { $0.number == number }).first
        {
            return entry.ticket
        }
        for key in inFlight.keys where inFlight[key]?.gathering.kind == .harmless {
            if let ticket = inFlight[key]?.gathering.tell(where: { $0.number == number && !$0.call.isAct }).first { return ticket }
        }
        return nil
    }

    private mutating func removeWaiting(from index: Int, where leaves: (Entry) -> Bool) -> [Entry] {
        let removed = gatherings[index].remove(where: leaves)
        for entry in removed { waiting -= entry.call.things }
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
        return entries.map { ($0.ticket, .failure(error)) }
    }

    /// What is to be sent; nil while as much as may be is in flight, and when nothing waits.
    package mutating func next(at now: Instant) -> Request? {
        guard inFlight.count < Self.flights, let gathering = gatherings.popFirst() else { return nil }
        for entry in gathering.entries { waiting -= entry.call.things }
        lastNumber += 1
        let persistence = Persistence(gathering.kind, to: configuration, asked: gathering.entries.lazy.map(\.asked).max(), start: now)
        inFlight[lastNumber] = Flight(gathering: gathering, persistence: persistence)
        return again(lastNumber, at: now)
    }

    package func again(_ number: UInt64, at now: Instant) -> Request? {
        guard let flight = inFlight[number] else { return nil }
        return Request(
            number: number,
            calls: flight.gathering.entries.map(\.call),
            deadline: flight.persistence.deadline(from: now, timeout: configuration.requestTimeout)
        )
    }

    /// - Returns: what the callers are told; nil when the answers do not fit the request.
    package mutating func answered(_ number: UInt64, _ answers: [CallAnswer]) -> [Settled]? {
        guard let flight = inFlight[number], answers.count == flight.gathering.entries.count else { return nil }
        inFlight[number] = nil
        return zip(flight.gathering.entries, answers).lazy.filter { !$0.0.isTold }.map { ($0.ticket, .success($1)) }
    }

    package mutating func failed(_ number: UInt64, _ failure: ExchangeFailure, at now: Instant, random: UInt64) -> Reaction {
        guard var flight = inFlight[number] else { return .settled([]) }
        let others = tellWaiting(failure, at: now)
        switch flight.persistence.failed(failure, at: now, random: random) {
        case .again(let wait):
            let persistence = flight.persistence
            let told = flight.gathering.tell { persistence.isOver(forOneOf: $0.asked, at: now) }
            inFlight[number] = flight
            return .again(after: wait, settled: told.map { ($0, .failure(persistence.end(failure))) } + others)
        case .giveUp(let error):
            inFlight[number] = nil
            return .settled(flight.gathering.settled(.failure(error)) + others)
        }
    }

    /// Takes nothing more.
    /// - Returns: those who wait, in flight or not: nobody who closed a client wants to read on. Whether an act that is in flight is done is not
    ///   known.
    package mutating func close() -> [Settled] {
        isClosed = true
        defer {
            gatherings = []
            waiting = 0
            inFlight = [:]
        }
        let flights = inFlight.values.flatMap { flight in
            let isAct = flight.gathering.kind == .once
            return flight.gathering.settled(.failure(isAct ? flight.persistence.end(.lost("this client was closed")) : .closedClient))
        }
        return flights + gatherings.flatMap { $0.settled(.failure(.closedClient)) }
    }
}

extension Call {
    /// Whether it may be asked for again, whatever became of it.
    var isHarmless: Bool { kind == .harmless }

    /// Whether it changes something: whoever is told that it was not done must be able to rely on that.
    fileprivate var isAct: Bool {
        switch self {
        case .configure, .purge, .delete, .pause, .resume: true
        default: false
        }
    }

    /// What a repetition would do.
    fileprivate var kind: Persistence.Kind {
        switch self {
        // Deleting or purging again would find what came in between, and another version is another change.
        case .configure, .purge, .delete: .once
        default: .harmless
        }
    }

    /// What it counts against what may wait.
    fileprivate var things: Int {
        switch self {
        case .jobs(let ids): max(1, ids.count)
        case .records(let keys): max(1, keys.count)
        default: 1
        }
    }

    /// What it counts against a request, by what its answer may take.
    fileprivate var weight: Int {
        switch self {
        case .jobs(let ids): 1 + ids.count
        case .records(let keys): 1 + keys.count * 4
        case .payload, .result, .queues, .configure, .purge, .delete: 100
        case .list(let query): 1 + max(0, query.limit)
        case .browse: 1_000
        case .queue, .pause, .resume, .check: 1
        }
    }
}
