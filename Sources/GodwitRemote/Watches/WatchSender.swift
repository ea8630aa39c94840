import GodwitCore
import GodwitWire
import NIOCore
import Synchronization

/// Carries out what a ``WatchTable`` says: keeps its stream, and resumes those who wait.
final class WatchSender: Sendable {
    typealias Waiter = CheckedContinuation<Result<WatchAnswer, BrokerError>, Never>
    private typealias Table = WatchTable<Waiter>

    private struct State {
        var table: Table
        /// Watches that were given up before they were made.
        var givenUp: Set<UInt64> = []
        var stream: Exchanger.Ongoing?
        var isTicking = false
    }

    private static let tick: Duration = .milliseconds(500)

    private let exchanger: Exchanger
    private let state: Mutex<State>

    init(_ exchanger: Exchanger) {
        self.exchanger = exchanger
        state = Mutex(State(table: WatchTable(exchanger.configuration)))
    }

    /// Waits until the item is not at the version that is known, or for `wait`. Cancelling the task ends the wait, with `unchanged`.
    func watch(_ item: WatchItem, wait: Duration) async throws(BrokerError) -> WatchAnswer {
        let number = state.withLock { $0.table.draw() }
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: Waiter) in
                let actions: [Table.Action] = state.withLock { state in
                    if state.givenUp.remove(number) != nil { return [.answer(waiter, .success(.unchanged))] }
                    return state.table.watch(number, item, wait: wait, ticket: waiter, at: .now)
                }
                perform(actions)
            }
        } onCancel: {
            let dropped = state.withLock { state in
                let dropped = state.table.drop(number, at: .now)
                if dropped == nil { state.givenUp.insert(number) }
                return dropped
            }
            guard let (waiter, actions) = dropped else { return }
            perform(actions)
            waiter.resume(returning: .success(.unchanged))
        }
        // One that was answered as it was cancelled.
        if Task.isCancelled { state.withLock { _ = $0.givenUp.remove(number) } }
        return try answer.get()
    }

    private func perform(_ actions: [Table.Action]) {
        for action in actions {
            switch action {
            case .answer(let waiter, let answer): waiter.resume(returning: answer)
            case .open(let number, let wait): open(number, after: wait)
            case .post(let number, let stream, let requests): post(number, stream, requests)
            case .rest(let number, let wait): exchanger.after(wait) { [self] in change { table, _ in table.posts(number, at: .now) } }
            case .close:
                let stream = state.withLock { state in
                    defer { state.stream = nil }
                    return state.stream
                }
                stream?.cancel()
            }
        }
        if !actions.isEmpty { keepTicking() }
    }

    /// On the event loop, as all that comes of it: nothing of a stream comes before it is known here.
    private func open(_ number: UInt64, after wait: Duration) { exchanger.after(wait) { [self] in open(number) } }

    private func open(_ number: UInt64) {
        guard state.withLock({ $0.table.opens(number, at: .now) }) else { return }
        let events = StreamEvents()
        let stream = exchanger.stream("/v1/watch") { [self] piece in
            events.add(piece.readableBytesView)
            do throws(WireError) {
                while let event = try events.next() {
                    change { $0.received(event, from: number, at: .now, random: $1) }
                }
            } catch {
                lost(number, .unreadable(error.description))
            }
        } done: { [self] result in
            switch result {
            case .success(let answer): lost(number, answer.isStream ? .lost("the event stream ended") : answer.notStream)
            case .failure(let failure): lost(number, failure)
            }
        }
        state.withLock { $0.stream = stream }
    }

    private func post(_ number: UInt64, _ stream: String, _ requests: [WatchRequest]) {
        let deadline = ContinuousClock.now + exchanger.configuration.requestTimeout
        let request = Exchanger.Request(.post, "/v1/watch/\(stream)", body: Wire.encode(requests), deadline: deadline, limit: 1 << 20)
        exchanger.send(request) { [self] result in
            switch result {
            case .success(let answer) where (200..<300).contains(answer.status): change { table, _ in table.posted(number) }
            // The server was restarted, or took the stream for lost.
            case .success(let answer) where answer.status == 404: lost(number, .lost("the server does not know the event stream any more"))
            case .success(let answer):
                guard case .busy(let error) = answer.failure else { return lost(number, answer.failure) }
                change { $0.busy(number, error, at: .now, random: $1) }
            case .failure(let failure): lost(number, failure)
            }
        }
    }

    private func lost(_ number: UInt64, _ failure: ExchangeFailure) {
        change { $0.lost(number, failure, at: .now, random: $1) }
    }

    private func change(_ body: (inout WatchTable<Waiter>, UInt64) -> [WatchTable<Waiter>.Action]) {
        let random = UInt64.random(in: .min ... .max)
        perform(state.withLock { body(&$0.table, random) })
    }

    /// One timer, while there is a stream.
    private func keepTicking() {
        let begins = state.withLock { state in
            guard state.table.isActive, !state.isTicking else { return false }
            state.isTicking = true
            return true
        }
        if begins { exchanger.after(Self.tick) { [self] in tick() } }
    }

    private func tick() {
        state.withLock { $0.isTicking = false }
        change { $0.tick(at: .now, random: $1) }
        keepTicking()
    }

    func close() { change { table, _ in table.close() } }
}

/// The events in a stream's pieces.
private final class StreamEvents: Sendable {
    private let reader = Mutex(WatchStreamReader())

    func add(_ piece: some Collection<UInt8>) { reader.withLock { $0.add(piece) } }

    func next() throws(WireError) -> WatchEvent? {
        try reader.withLock { reader throws(WireError) in try reader.next() }
    }
}

extension Answer {
    /// Why there is no stream.
    fileprivate var notStream: ExchangeFailure {
        do throws(ExchangeFailure) {
            _ = try document { bytes throws(WireError) in bytes }
            return .lost("no event stream began")
        } catch {
            return error
        }
    }
}
