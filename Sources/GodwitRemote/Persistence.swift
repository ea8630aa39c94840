package import GodwitCore

/// How long, and how, one request is tried again: what is known of it after each failed try, and what follows from that.
///
/// Nothing is repeated on a guess. A request that was never sent may be sent again, whatever it asks for. One that may have been carried out
/// is sent again only where a repetition is harmless: it reads, or it is numbered in a session.
package struct Persistence: Sendable {
    package typealias Instant = ContinuousClock.Instant

    /// What a repetition of the request would do.
    package enum Kind: Sendable, Hashable {
        /// It is answered as the first time: it is numbered in a session.
        case numbered
        /// It does no harm.
        case harmless
        /// It might do it once more.
        case once
    }

    package enum Step: Sendable {
        case again(after: Duration)
        case giveUp(BrokerError)
    }

    /// The waits between two tries.
    package static let backoff = Backoff(base: .milliseconds(50), cap: .seconds(5))

    private let kind: Kind
    private let server: String
    private let connectPatience: Duration
    private let patience: Duration
    private let start: Instant
    private let asked: Instant
    private var tries = 0
    /// Whether an earlier try may have been carried out.
    package private(set) var isInDoubt = false

    /// - Parameters:
    ///   - asked: when the last of those who wait for it asked: patience counts from then.
    ///   - start: when the first try begins.
    package init(_ kind: Kind, to configuration: RemoteConfiguration, asked: Instant? = nil, start: Instant) {
        self.kind = kind
        server = configuration.url.description
        connectPatience = configuration.connectPatience
        patience = configuration.patience
        self.asked = asked ?? start
        self.start = start
    }

    /// When the next try's answer must be there: in its own time, and not much after the end of all patience.
    package func deadline(from now: Instant, timeout: Duration) -> Instant {
        min(now + timeout, max(start + patience, now + timeout / 4))
    }

    /// Whether somebody who asked then has waited for it long enough.
    package func isOver(forOneOf asked: Instant, at now: Instant) -> Bool { asked + (isInDoubt ? patience : connectPatience) <= now }

    package mutating func failed(_ failure: ExchangeFailure, at now: Instant, random: UInt64) -> Step {
        tries += 1
        switch failure {
        case .unsent: break
        case .lost:
            isInDoubt = true
            if kind == .once { return .giveUp(end(failure)) }
        case .busy:
            // Its first try was not carried out: who asked decides about the next. For a repetition it says nothing about what went before.
            guard isInDoubt else { return .giveUp(end(failure)) }
        case .unreadable, .untrusted, .refused, .closed: return .giveUp(end(failure))
        }
        var random = OneNumber(random)
        var wait = Self.backoff.delay(after: tries, using: &random)
        if case .busy(let error) = failure { wait += error.retryAfter ?? .zero }
        let left = asked + (isInDoubt ? patience : connectPatience) - now
        return left > wait ? .again(after: wait) : .giveUp(end(failure))
    }

    /// What the caller is told after a last failure.
    package func end(_ failure: ExchangeFailure) -> BrokerError { Self.error(for: failure, kind, isInDoubt: isInDoubt, server: server) }

    /// What a failure is to who asked.
    /// - Parameters:
    ///   - isInDoubt: whether an earlier try may have been carried out.
    ///   - server: what messages call it.
    package static func error(for failure: ExchangeFailure, _ kind: Kind, isInDoubt: Bool = false, server: String) -> BrokerError {
        if isInDoubt || failure.mayHaveBeenCarriedOut, kind != .harmless {
            return BrokerError(
                .outcomeUnknown,
                "no answer came from \(server) (\(failure.reason)), so it is not known whether this was done: look before you do it again",
                cause: failure
            )
        }
        switch failure {
        case .unsent(let reason):
            return BrokerError(.unavailable, "cannot reach \(server): \(reason). See that the server runs, and that the URL is right")
        case .lost(let reason): return BrokerError(.unavailable, "no answer came from \(server): \(reason). Try again later")
        case .unreadable(let reason): return BrokerError(.unavailable, "\(server) gave an answer that cannot be read: \(reason)")
        case .untrusted(let reason):
            return BrokerError(
                .untrusted,
                "the certificate of \(server) is not believed: \(reason). Check the URL's host name, or give the certificates of those who "
                    + "signed it as trust roots",
                field: "trustRoots"
            )
        case .busy(let error), .refused(let error): return error
        case .closed: return .closedClient
        }
    }
}

extension RemoteConfiguration {
    /// Whether somebody who asked then, for what was not sent yet, has waited long enough for a server that a request to it failed at like that.
    func isOver(forOneOf asked: ContinuousClock.Instant, after failure: ExchangeFailure, at now: ContinuousClock.Instant) -> Bool {
        let limit = if case .unsent = failure { connectPatience } else { patience }
        return asked + limit <= now
    }
}

extension ExchangeFailure {
    var mayHaveBeenCarriedOut: Bool {
        switch self {
        case .lost, .unreadable: true
        default: false
        }
    }
}

/// A source of one random number, so that state machines are told their chance as they are told the time.
struct OneNumber: RandomNumberGenerator {
    private var number: UInt64
    init(_ number: UInt64) { self.number = number }

    /// Whoever draws again, because a number did not suit, must get another one.
    mutating func next() -> UInt64 {
        defer { number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 }
        return number
    }
}
