import GodwitCore
import GodwitWire
import HTTPTypes
import Synchronization

/// The watches of one event stream, and what is to be written to it.
///
/// A watch is one-shot: it is answered once, and counts until its answer is written. So a client that does not read holds no more than it could ask
/// for; and of what is to be written only little is kept: for the rest it is noted that it changed, and it is read when its turn comes.
final class WatchStream: Sendable {
    /// The longest that a watch waits: then it is answered `unchanged`, and may be asked for again.
    private static let longestWait: Duration = .seconds(3_600)
    /// Bytes of answers that wait to be written.
    private static let readyBytes = 64 << 10
    /// Refusals that wait to be written: they take none of the places that all streams share, for they tell that there are none.
    private static let refusals = 1_000
    /// Events that are written at a time.
    private static let batch = 64

    private struct Watch {
        let serial: UInt64
        let item: WatchItem
        var task: Task<Void, Never>?
    }

    /// Why a watch is none. There may be many: hence no error of each.
    enum Refusal: UInt8 {
        case forbidden, full

        var error: BrokerError {
            switch self {
            case .forbidden: .forbidden
            case .full: .busy("as many watches are open as there may be: ask again when some are answered", retryAfter: .seconds(1))
            }
        }
    }

    enum Event {
        case answered(UInt64, WatchAnswer)
        /// It changed; how is read when it is written.
        case changed(UInt64, WatchItem)
        case refused(UInt64, Refusal)
        /// The broker could not watch it.
        case failed(UInt64, BrokerError)
    }

    enum Turn {
        case events([Event])
        case alive
        case closing
        case gone
    }

    private enum End { case closing, gone }

    private struct State {
        var watches: [UInt64: Watch] = [:]
        var serial: UInt64 = 0
        var ready: [Event] = []
        var readyBytes = 0
        var refused: [(number: UInt64, refusal: Refusal)] = []
        var hasTicked = false
        var end: End?
        var writer: CheckedContinuation<Void, Never>?

        var hasEvents: Bool { !ready.isEmpty || !refused.isEmpty }
        var isIdle: Bool { !hasEvents && !hasTicked && end == nil }
        mutating func wake() -> CheckedContinuation<Void, Never>? {
            defer { writer = nil }
            return writer
        }
    }

    let id: String
    /// The token's name; nil where nobody is told from anybody else.
    private let owner: String?
    private let broker: any Broker
    private let hub: WatchHub
    private let show: @Sendable (JobSnapshot) -> JobSnapshot
    private let state = Mutex(State())

    init(
        id: String,
        owner: String?,
        broker: any Broker,
        hub: WatchHub,
        showing show: @escaping @Sendable (JobSnapshot) -> JobSnapshot
    ) {
        self.id = id
        self.owner = owner
        self.broker = broker
        self.hub = hub
        self.show = show
    }

    // MARK: What the client asks

    /// Begins a watch; one under a number that is open already is the same one, asked for again.
    /// - Throws: ``Problem`` when the stream has ended, or its client does not read what was refused.
    func watch(_ number: UInt64, _ item: WatchItem, wait: Duration) throws(Problem) {
        enum Place { case taken(UInt64), known, full, ended }
        let place = state.withLock { state -> Place in
            guard state.end == nil else { return .ended }
            guard state.watches[number] == nil else { return .known }
            guard state.watches.count + state.ready.count < hub.perStream, hub.take(for: owner) else { return .full }
            state.serial += 1
            state.watches[number] = Watch(serial: state.serial, item: item)
            return .taken(state.serial)
        }
        switch place {
        case .known: return
        case .ended: throw .streamNotFound
        case .full: try refuse(number, .full)
        case .taken(let serial):
            let task = Task.detached { [self] in await run(number, serial, item, min(wait, Self.longestWait)) }
            let isOpen = state.withLock { state in
                guard state.watches[number]?.serial == serial else { return false }
                state.watches[number]?.task = task
                return true
            }
            if !isOpen { task.cancel() }
        }
    }

    /// Tells the client that a watch is none.
    /// - Throws: ``Problem`` when the stream has ended, or its client does not read what was refused.
    func refuse(_ number: UInt64, _ refusal: Refusal) throws(Problem) {
        enum Place { case taken(CheckedContinuation<Void, Never>?), full, ended }
        let place = state.withLock { state -> Place in
            guard state.end == nil else { return .ended }
            guard state.refused.count < Self.refusals else { return .full }
            state.refused.append((number, refusal))
            return .taken(state.wake())
        }
        switch place {
        case .taken(let writer): writer?.resume()
        case .ended: throw .streamNotFound
        case .full:
            throw Problem(.busy("what was refused before is not read yet: read the stream, then ask again", retryAfter: .seconds(1)))
        }
    }

    func unwatch(_ number: UInt64) {
        let watch = state.withLock { $0.watches.removeValue(forKey: number) }
        guard let watch else { return }
        watch.task?.cancel()
        hub.give(1, for: owner)
    }

    private func run(_ number: UInt64, _ serial: UInt64, _ item: WatchItem, _ wait: Duration) async {
        let event: Event
        do throws(BrokerError) {
            event = .answered(number, try await answer(item, wait))
        } catch {
            event = .failed(number, error)
        }
        let writer = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.watches[number]?.serial == serial else { return nil }
            state.watches[number] = nil
            if case .answered = event, state.readyBytes + event.size > Self.readyBytes, !state.ready.isEmpty {
                state.ready.append(.changed(number, item))
            } else {
                state.readyBytes += event.size
                state.ready.append(event)
            }
            return state.wake()
        }
        writer?.resume()
    }

    // MARK: What the writer does

    /// What is to be written next; waits for it. There is one writer.
    func next() async -> Turn {
        await withCheckedContinuation { continuation in
            let isNow = state.withLock { state in
                guard state.isIdle else { return true }
                state.writer = continuation
                return false
            }
            if isNow { continuation.resume() }
        }
        return state.withLock { state in
            state.hasTicked = false
            guard state.end != .gone else { return .gone }
            guard state.hasEvents else { return state.end == nil ? .alive : .closing }
            let refused = state.refused.prefix(Self.batch).map { Event.refused($0.number, $0.refusal) }
            state.refused.removeFirst(refused.count)
            let events = Array(state.ready.prefix(Self.batch - refused.count))
            state.ready.removeFirst(events.count)
            for event in events { state.readyBytes -= event.size }
            hub.give(events.count, for: owner)
            return .events(refused + events)
        }
    }

    /// How many events wait to be written.
    var readyCount: Int { state.withLock { $0.ready.count + $0.refused.count } }

    /// An event as it is written.
    func written(_ event: Event) async -> WatchEvent {
        switch event {
        case .answered(let number, let answer): return .answered(number: number, answer)
        case .refused(let number, let refusal): return .refused(number: number, refusal.error)
        case .failed(let number, let error): return .refused(number: number, error)
        case .changed(let number, let item):
            do throws(BrokerError) {
                return .answered(number: number, try await answer(item, .zero))
            } catch {
                return .refused(number: number, error)
            }
        }
    }

    private func answer(_ item: WatchItem, _ wait: Duration) async throws(BrokerError) -> WatchAnswer {
        let answer = try await broker.watch([item], wait: wait).first ?? .unchanged
        return if case .job(let lookup) = answer { .job(lookup.showing(show)) } else { answer }
    }

    /// Some time has passed: the client is told that the stream is there.
    func tick() {
        state.withLock { state in
            state.hasTicked = true
            return state.wake()
        }?.resume()
    }

    /// The server takes no more; what is answered already is written.
    func close() { finish(.closing) }

    /// Nobody reads any more.
    func drop() { finish(.gone) }

    private func finish(_ end: End) {
        let (watches, dropped, writer) = state.withLock { state in
            let watches = Array(state.watches.values)
            state.watches = [:]
            var dropped = watches.count
            if end == .gone {
                dropped += state.ready.count
                state.ready = []
                state.refused = []
            }
            if state.end != .gone { state.end = end }
            return (watches, dropped, state.wake())
        }
        hub.remove(self)
        hub.give(dropped, for: owner)
        for watch in watches { watch.task?.cancel() }
        writer?.resume()
    }
}

extension WatchStream.Event {
    fileprivate var size: Int {
        switch self {
        case .answered(_, .job(let lookup)): lookup.size
        case .answered(_, .record(let record)): 32 + (record?.value.count ?? 0)
        case .answered(_, .unchanged), .changed, .refused, .failed: 0
        }
    }
}

extension Problem {
    static let streamNotFound = Problem(
        .notFound,
        "stream_not_found",
        "there is no such stream (any more): open another one, and ask for all watches again",
        field: "stream"
    )
}
