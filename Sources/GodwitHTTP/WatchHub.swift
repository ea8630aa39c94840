import GodwitCore
import Synchronization

/// The event streams of Godwit's own clients, by their ids, and how much all of them together may hold.
final class WatchHub: Sendable {
    /// Watches of one stream, and of all: each takes a little memory while it waits, and until its answer is written.
    static let watchesPerStream = 10_000
    static let watches = 100_000

    private struct Books {
        var open = 0
        /// Of those whose streams' owners are known.
        var owned: [String: Int] = [:]
    }

    let perStream: Int
    private let all: Int
    /// What one token may have of them, so that nobody takes all.
    private let perOwner: Int
    private let streams = Mutex<[String: WatchStream]>([:])
    private let books = Mutex(Books())

    init(perStream: Int = watchesPerStream, all: Int = watches) {
        self.perStream = perStream
        self.all = all
        perOwner = all / 4
    }

    /// Opens a stream under an id that nobody can guess.
    /// - Parameters:
    ///   - access: whose it is.
    ///   - show: what of a job its client may see.
    func openStream(
        on broker: any Broker,
        for access: Access = .everybody,
        showing show: @escaping @Sendable (JobSnapshot) -> JobSnapshot = { $0 }
    ) -> WatchStream {
        let words = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }
        let stream = WatchStream(id: words.joined(), owner: access.grant?.name, broker: broker, hub: self, showing: show)
        streams.withLock { $0[stream.id] = stream }
        return stream
    }

    func stream(_ id: String) -> WatchStream? { streams.withLock { $0[id] } }
    func remove(_ stream: WatchStream) { streams.withLock { $0[stream.id] = nil } }

    /// Takes one of the places that all streams share; false when there is none, or when their owner has his share.
    func take(for owner: String?) -> Bool {
        books.withLock { books in
            guard books.open < all else { return false }
            if let owner {
                guard books.owned[owner, default: 0] < perOwner else { return false }
                books.owned[owner, default: 0] += 1
            }
            books.open += 1
            return true
        }
    }

    func give(_ places: Int, for owner: String?) {
        guard places > 0 else { return }
        books.withLock { books in
            books.open -= places
            guard let owner, let owned = books.owned[owner] else { return }
            books.owned[owner] = owned > places ? owned - places : nil
        }
    }
}
