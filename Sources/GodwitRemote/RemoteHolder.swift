import GodwitCore
import GodwitWire
import Synchronization

/// Leases jobs from a server.
///
/// A wait for jobs may be cut after the server leased some and before they arrived here: nobody knows of those then. A server that notices, for
/// it could not send its answer to the end, releases them at once, uncounted. Otherwise nobody renews them, and they run elsewhere when their
/// leases have run out: that costs the time of one lease, and one attempt. They cannot be confused with others, for a holder's id is random and
/// belongs to one run of one worker; and when that worker stops, ``close()`` gives back all that is left of them.
final class RemoteHolder: Holder {
    /// Leases that one request renews.
    private static let mostRenewals = 1_000

    private let broker: RemoteBroker
    private let exchanger: Exchanger
    private let options: HolderOptions
    /// How long the shortest of its leases lasts, as far as that is known here.
    private let shortestTerm = Mutex(Duration?.none)

    init(broker: RemoteBroker, exchanger: Exchanger, options: HolderOptions) {
        self.broker = broker
        self.exchanger = exchanger
        var options = options
        options.isEmbedded = false
        self.options = options
    }

    var id: HolderID { options.id }

    func lease(max: Int, term: LeaseTerm, wait: Duration) async throws(BrokerError) -> [Delivery] {
        if Task.isCancelled { return [] }
        if case .fixed(let duration) = term { shortestTerm.withLock { $0 = min($0 ?? duration, duration) } }
        let wait = Swift.max(.zero, wait)
        let body = Wire.encode(LeaseRequest(holder: options, max: max, term: term, wait: wait))
        let asked = ContinuousClock.now
        let deadline = asked + wait + exchanger.configuration.requestTimeout
        let request = Exchanger.Request(.post, "/v1/leases", body: body, deadline: deadline)
        var deliveries: [Delivery]
        switch await exchanger.interruptible(request) {
        case .failure where Task.isCancelled: return []
        case .failure(let failure): throw broker.refusal(failure)
        case .success(let answer):
            deliveries = try broker.read(answer, .harmless) { bytes throws(WireError) in try Wire.decodeDeliveries(bytes) }
            // A lease runs since the server granted it: what the request and the answer were on their way for is over.
            if let waited = answer.waited {
                let late = Swift.max(.zero, .now - asked - waited)
                for index in deliveries.indices { deliveries[index].remaining = Swift.max(.zero, deliveries[index].remaining - late) }
            }
        }
        guard Task.isCancelled, !deliveries.isEmpty else { return deliveries }
        broker.giveBack(deliveries)
        return []
    }

    nonisolated(nonsending) func renew(_ renewals: [Renewal]) async throws(BrokerError) -> [RenewalOutcome] {
        var outcomes: [RenewalOutcome] = []
        outcomes.reserveCapacity(renewals.count)
        while outcomes.count < renewals.count {
            let part = Array(renewals[outcomes.count..<min(outcomes.count + Self.mostRenewals, renewals.count)])
            do throws(BrokerError) {
                outcomes += try await renewTogether(part)
            } catch {
                guard !outcomes.isEmpty else { throw error }
                // What is known of the others is not lost: these are asked for again.
                outcomes += renewals[outcomes.count...].map { _ in .unreachable }
            }
        }
        return outcomes
    }

    /// Sent once: who renews comes again soon, and a try that takes long takes the time of the next ones.
    nonisolated(nonsending) private func renewTogether(_ renewals: [Renewal]) async throws(BrokerError) -> [RenewalOutcome] {
        let body = Wire.encode(RenewRequest(holder: id, renewals: renewals))
        let term = shortestTerm.withLock { $0 } ?? .seconds(15)
        let timeout = Swift.max(.milliseconds(250), min(exchanger.configuration.requestTimeout, term * 3 / 10))
        let request = Exchanger.Request(.post, "/v1/leases/renew", body: body, deadline: .now + timeout)
        switch await exchanger.exchange(request) {
        case .failure(let failure): throw broker.refusal(failure)
        case .success(let answer):
            let outcomes = try broker.read(answer, .harmless) { bytes throws(WireError) in try Wire.decodeRenewals(bytes) }
            guard outcomes.count == renewals.count else { throw RemoteBroker.mixedUp }
            return outcomes
        }
    }

    /// A worker that stops is not kept by a server that does not answer: its leases expire.
    func close() async throws(BrokerError) {
        let path = "/v1/holders/\(id.description.pathComponent)"
        _ = try await broker.ask(.delete, path, .harmless, within: exchanger.configuration.closeTimeout)
    }
}

extension String {
    /// As one part of a path: all but the characters that nobody reads anything into is written as `%XX` (RFC 3986, section 2.3).
    var pathComponent: String {
        var text = ""
        for byte in utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "_"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return text
    }
}
