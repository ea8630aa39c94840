package import GodwitCore
package import GodwitWire

/// All watches of a client, and the one event stream on which they are answered.
///
/// A state machine that knows neither sockets nor clocks. A stream is opened with the first watch; it is asked for watches by requests of which
/// one is under way at a time, and what comes meanwhile gathers. When the stream is lost another is opened, after a while, and asked for all
/// that are still open. Streams have numbers, so that what an earlier one says late is not taken for the present one's.
package struct WatchTable<Ticket: Sendable>: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package enum Action: Sendable {
        /// A stream with this number is to be opened after a while.
        case open(UInt64, after: Duration)
        /// To be sent to the open stream with this number and name.
        case post(UInt64, stream: String, [WatchRequest])
        /// ``posts(_:at:)`` is wanted after a while.
        case rest(UInt64, Duration)
        /// The stream is of no use any more.
        case close
        case answer(Ticket, Result<WatchAnswer, BrokerError>)
    }

    private struct Watch: Sendable {
        let item: WatchItem
        let end: Instant
        let ticket: Ticket

        func request(_ number: UInt64, at now: Instant) -> WatchRequest { .watch(number: number, item, wait: max(.zero, end - now)) }
    }

    private enum Stream: Sendable, Equatable {
        /// Nothing is watched.
        case none
        /// It was lost, and is opened again after a while.
        case resting
        case opening
        case open(id: String)
    }

    /// Watches at a time: as many as a server keeps of one stream.
    package static var most: Int { 10_000 }
    /// Watches that one request asks for.
    package static var batch: Int { 1_000 }
    /// A stream that says nothing for so long is lost: servers say every 15 s that they are there.
    package static var silence: Duration { .seconds(45) }
    /// How much longer than its wait a watch waits for the server's word that it is over.
    package static var grace: Duration { .seconds(5) }
    private static var backoff: Backoff { Backoff(base: .milliseconds(50), cap: .seconds(5)) }

    private let configuration: RemoteConfiguration
    private var watches: [UInt64: Watch] = [:]
    private var lastWatch: UInt64 = 0
    private var stream = Stream.none
    private var streamNumber: UInt64 = 0
    /// What is to be asked of the stream, in order.
    private var outbox: [WatchRequest] = []
    /// What it is being asked for.
    private var posted: [WatchRequest] = []
    private var lastHeard: Instant?
    private var idleSince: Instant?
    /// Since when no stream came about that could be asked for something, and why.
    private var failingSince: Instant?
    private var failures = 0
    private var lastFailure = ExchangeFailure.closed
    private var isClosed = false

    package init(_ configuration: RemoteConfiguration) { self.configuration = configuration }

    package var count: Int { watches.count }
    /// Whether there is a stream, or will be: ``tick(at:)`` is wanted every now and then.
    package var isActive: Bool { stream != .none }

    /// The number of a watch to come.
    package mutating func draw() -> UInt64 {
        lastWatch += 1
        return lastWatch
    }

    package mutating func watch(_ number: UInt64, _ item: WatchItem, wait: Duration, ticket: Ticket, at now: Instant) -> [Action] {
        if isClosed { return [.answer(ticket, .failure(.closedClient))] }
        guard watches.count < Self.most else {
            let error = BrokerError.busy(
                "\(watches.count) jobs are watched already, as many as one client can: try again later",
                retryAfter: .seconds(1)
            )
            return [.answer(ticket, .failure(error))]
        }
        watches[number] = Watch(item: item, end: now + wait, ticket: ticket)
        idleSince = nil
        switch stream {
        case .none:
            (failingSince, failures) = (nil, 0)
            return [open(after: .zero)]
        case .resting, .opening: return []
        case .open:
            outbox.append(.watch(number: number, item, wait: wait))
            return post()
        }
    }

    /// Nobody waits for the watch any more.
    /// - Returns: nil when there is no such watch (any more).
    package mutating func drop(_ number: UInt64, at now: Instant) -> (ticket: Ticket, actions: [Action])? {
        guard let watch = take(number, at: now) else { return nil }
        guard case .open = stream else { return (watch.ticket, []) }
        outbox.append(.unwatch(number: number))
        return (watch.ticket, post())
    }

    /// What came on a stream.
    package mutating func received(_ event: WatchEvent, from number: UInt64, at now: Instant, random: UInt64) -> [Action] {
        guard number == streamNumber, stream == .opening || isOpen else { return [] }
        lastHeard = now
        switch event {
        case .opened(let id):
            guard stream == .opening else { return [] }
            stream = .open(id: id)
            outbox = watches.sorted { $0.key < $1.key }.map { number, watch in watch.request(number, at: now) }
            if outbox.isEmpty { (failingSince, failures) = (nil, 0) }
            return post()
        case .answered(let number, let answer):
            return take(number, at: now).map { [.answer($0.ticket, .success(answer))] } ?? []
        case .refused(let number, let error):
            return take(number, at: now).map { [.answer($0.ticket, .failure(error.here))] } ?? []
        case .alive: return []
        case .closing(let retryAfter):
            let error = BrokerError.busy("the server is stopping", retryAfter: retryAfter ?? .zero)
            return [.close] + lose(.busy(error), at: now, random: random)
        }
    }

    /// The stream took what it was asked.
    package mutating func posted(_ number: UInt64) -> [Action] {
        guard number == streamNumber, isOpen else { return [] }
        // Not when it opens: a server that takes no watches would be asked for one stream after the other.
        (failingSince, failures) = (nil, 0)
        posted = []
        return post()
    }

    /// The server has no room for what it was asked just now; the stream stays.
    package mutating func busy(_ number: UInt64, _ error: BrokerError, at now: Instant, random: UInt64) -> [Action] {
        guard number == streamNumber, isOpen else { return [] }
        return [.rest(number, backOff(.busy(error), at: now, random: random))]
    }

    /// The wait before the stream is asked again is over: for what is still wanted of it.
    package mutating func posts(_ number: UInt64, at now: Instant) -> [Action] {
        guard number == streamNumber, isOpen, !posted.isEmpty else { return [] }
        outbox.insert(
            contentsOf: posted.compactMap { request in
                guard case .watch(let number, _, _) = request else { return request }
                return watches[number]?.request(number, at: now)
            },
            at: 0
        )
        posted = []
        return post()
    }

    /// The stream did not come about, ended, or could not be asked for something.
    package mutating func lost(_ number: UInt64, _ failure: ExchangeFailure, at now: Instant, random: UInt64) -> [Action] {
        guard number == streamNumber, stream == .opening || isOpen else { return [] }
        return [.close] + lose(failure, at: now, random: random)
    }

    /// The wait before a stream is over.
    /// - Returns: whether it is still wanted.
    package mutating func opens(_ number: UInt64, at now: Instant) -> Bool {
        guard number == streamNumber, stream == .resting else { return false }
        guard !watches.isEmpty else {
            stream = .none
            return false
        }
        stream = .opening
        lastHeard = now
        return true
    }

    /// Time has passed.
    package mutating func tick(at now: Instant, random: UInt64) -> [Action] {
        var actions: [Action] = []
        // Who watches again and again must not wait for a server that is not there.
        if let failingSince, failingSince + configuration.patience <= now {
            actions += failAll(unavailable)
            self.failingSince = nil
        }
        for (number, watch) in watches where watch.end + (isOpen ? Self.grace : .zero) <= now {
            watches[number] = nil
            actions.append(.answer(watch.ticket, .success(.unchanged)))
            if isOpen { outbox.append(.unwatch(number: number)) }
        }
        if watches.isEmpty, idleSince == nil { idleSince = now }
        if let idleSince, idleSince + configuration.idleStream <= now, watches.isEmpty {
            actions.append(.close)
            forgetStream(.none)
        } else if let lastHeard, stream == .opening || isOpen, lastHeard + Self.silence <= now {
            actions.append(.close)
            actions += lose(.lost("the event stream fell silent"), at: now, random: random)
        }
        return actions + post()
    }

    /// Ends all watches.
    package mutating func close() -> [Action] {
        isClosed = true
        forgetStream(.none)
        return [.close] + failAll(.closedClient)
    }

    private var isOpen: Bool { if case .open = stream { true } else { false } }

    private mutating func take(_ number: UInt64, at now: Instant) -> Watch? {
        guard let watch = watches.removeValue(forKey: number) else { return nil }
        if watches.isEmpty { idleSince = now }
        return watch
    }

    private mutating func open(after wait: Duration) -> Action {
        forgetStream(.resting)
        streamNumber += 1
        return .open(streamNumber, after: wait)
    }

    private mutating func forgetStream(_ next: Stream) {
        stream = next
        outbox = []
        posted = []
        lastHeard = nil
    }

    private mutating func post() -> [Action] {
        guard case .open(let id) = stream, posted.isEmpty, !outbox.isEmpty else { return [] }
        posted = Array(outbox.prefix(Self.batch))
        outbox.removeFirst(posted.count)
        return [.post(streamNumber, stream: id, posted)]
    }

    private mutating func lose(_ failure: ExchangeFailure, at now: Instant, random: UInt64) -> [Action] {
        switch failure {
        case .untrusted, .refused, .unreadable, .closed:
            // Another try would come to the same.
            lastFailure = failure
            forgetStream(.none)
            return failAll(unavailable)
        case .busy, .unsent, .lost: break
        }
        let wait = backOff(failure, at: now, random: random)
        guard !watches.isEmpty else {
            forgetStream(.none)
            return []
        }
        return [open(after: wait)]
    }

    /// How long to wait after a failure.
    private mutating func backOff(_ failure: ExchangeFailure, at now: Instant, random: UInt64) -> Duration {
        lastFailure = failure
        failures += 1
        if failingSince == nil { failingSince = now }
        let least: Duration = if case .busy(let error) = failure { error.retryAfter ?? .zero } else { .zero }
        var random = OneNumber(random)
        return least + Self.backoff.delay(after: failures, using: &random)
    }

    /// What is said of watches that nobody answers.
    private var unavailable: BrokerError {
        Persistence.error(for: lastFailure, .harmless, server: configuration.url.description)
    }

    private mutating func failAll(_ error: BrokerError) -> [Action] {
        defer { watches = [:] }
        return watches.values.map { .answer($0.ticket, .failure(error)) }
    }
}
