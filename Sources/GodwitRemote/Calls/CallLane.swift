import DequeModule
package import GodwitCore
package import GodwitWire

/// The way of a client's reads, and of its acts of administration: a few requests are in flight at a time, and what comes while as many are
/// gathers for the next. An act that must not be done twice goes alone, so that what is not known of it is said of nothing else.
///
/// A state machine that knows neither sockets nor clocks.
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
        case again(after: Duration)
        case settled([Settled])
    }

    private struct Gathering: Sendable {
        var calls: [Call] = []
        var tickets: [Ticket] = []
        var weight = 0
        var kind: Persistence.Kind

        func settled(_ answer: Result<CallAnswer, BrokerError>) -> [Settled] { tickets.map { ($0, answer) } }
    }

    private struct Flight: Sendable {
        var gathering: Gathering
        var persistence: Persistence
    }

    /// Requests in flight at a time.
    package static var flights: Int { 4 }
    /// What one request may weigh; see ``Call/weight``.
    package static var heaviest: Int { 1_000 }
    /// Calls that may wait.
    package static var longest: Int { 100_000 }

    private let configuration: RemoteConfiguration
    private var gatherings = Deque<Gathering>()
    private var waiting = 0
    private var inFlight: [UInt64: Flight] = [:]
    private var lastNumber: UInt64 = 0
    private var isClosed = false

    package init(_ configuration: RemoteConfiguration) { self.configuration = configuration }

    /// - Returns: why it is not taken.
    package mutating func add(_ call: Call, ticket: Ticket) -> BrokerError? {
        if isClosed { return .closedClient }
        guard waiting < Self.longest else {
            return .busy("\(waiting) reads wait for an answer of the server's already: try again later", retryAfter: .seconds(1))
        }
        waiting += 1
        if let last = gatherings.indices.last, gatherings[last].kind == .harmless, call.kind == .harmless,
            gatherings[last].weight + call.weight <= Self.heaviest
        {
            gatherings[last].calls.append(call)
            gatherings[last].tickets.append(ticket)
            gatherings[last].weight += call.weight
        } else {
            gatherings.append(Gathering(calls: [call], tickets: [ticket], weight: call.weight, kind: call.kind))
        }
        return nil
    }

    /// What is to be sent; nil while as much as may be is in flight, and when nothing waits.
    package mutating func next(at now: Instant) -> Request? {
        guard inFlight.count < Self.flights, let gathering = gatherings.popFirst() else { return nil }
        waiting -= gathering.calls.count
        lastNumber += 1
        inFlight[lastNumber] = Flight(gathering: gathering, persistence: Persistence(gathering.kind, to: configuration, start: now))
        return again(lastNumber, at: now)
    }

    package func again(_ number: UInt64, at now: Instant) -> Request? {
        guard let flight = inFlight[number] else { return nil }
        return Request(
            number: number,
            calls: flight.gathering.calls,
            deadline: flight.persistence.deadline(from: now, timeout: configuration.requestTimeout)
        )
    }

    /// - Returns: what the callers are told; nil when the answers do not fit the request.
    package mutating func answered(_ number: UInt64, _ answers: [CallAnswer]) -> [Settled]? {
        guard let flight = inFlight[number], answers.count == flight.gathering.calls.count else { return nil }
        inFlight[number] = nil
        return zip(flight.gathering.tickets, answers).map { ($0, .success($1)) }
    }

    package mutating func failed(_ number: UInt64, _ failure: ExchangeFailure, at now: Instant, random: UInt64) -> Reaction {
        guard var flight = inFlight[number] else { return .settled([]) }
        switch flight.persistence.failed(failure, at: now, random: random) {
        case .again(let wait):
            inFlight[number] = flight
            return .again(after: wait)
        case .giveUp(let error):
            inFlight[number] = nil
            return .settled(flight.gathering.settled(.failure(error)))
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

    /// What a repetition would do.
    fileprivate var kind: Persistence.Kind {
        switch self {
        // Deleting or purging again would find what came in between, and another version is another change.
        case .configure, .purge, .delete: .once
        default: .harmless
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
