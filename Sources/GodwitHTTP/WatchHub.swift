import GodwitCore
import Synchronization

/// The event streams of Godwit's own clients, by their ids, and how much all of them together may hold.
final class WatchHub: Sendable {
    /// Watches of one stream, and of all: each takes a little memory while it waits, and until its answer is written.
    static let watchesPerStream = 10_000
    static let watches = 100_000

    let perStream: Int
    private let all: Int
    private let streams = Mutex<[String: WatchStream]>([:])
    private let open = Atomic<Int>(0)

    init(perStream: Int = watchesPerStream, all: Int = watches) {
        self.perStream = perStream
        self.all = all
    }

    /// Opens a stream under an id that nobody can guess.
    func openStream(on broker: any Broker) -> WatchStream {
        let words = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }
        let stream = WatchStream(id: words.joined(), broker: broker, hub: self)
        streams.withLock { $0[stream.id] = stream }
        return stream
    }

    func stream(_ id: String) -> WatchStream? { streams.withLock { $0[id] } }
    func remove(_ stream: WatchStream) { streams.withLock { $0[stream.id] = nil } }

    /// Takes one of the places that all streams share; false when there is none.
    func take() -> Bool {
        guard open.add(1, ordering: .relaxed).newValue > all else { return true }
        give(1)
        return false
    }

    func give(_ places: Int) { open.subtract(places, ordering: .relaxed) }
}
