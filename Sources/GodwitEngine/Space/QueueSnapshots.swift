import Synchronization

/// The queues as they were at one moment. Taking it copies none of them: whoever comes to a queue first notes what it says, the engine before it
/// touches it or the thread that writes the checkpoint.
final class QueueSnapshots: Sendable {
    private struct Noted {
        /// By number; nil for those of which nothing is left.
        var taken: [QueueSnapshot?] = []
        /// Those that the engine touched before they were taken.
        var ahead: [UInt32: QueueSnapshot] = [:]
    }

    /// Where the queues are, for a pointer may not go to other threads; 0 for those of which nothing was left. Nobody writes to what is there
    /// before it is noted.
    private let addresses: [UInt]
    private let noted = Mutex(Noted())

    /// So many are taken at once: the engine may wait for them.
    private static let slice = 16

    init(addresses: [UInt]) { self.addresses = addresses }

    /// The engine is about to touch a queue.
    func note(_ number: UInt32, _ queue: UnsafePointer<QueueState>) {
        guard number < UInt32(addresses.count), addresses[Int(number)] != 0 else { return }
        noted.withLock { noted in
            guard Int(number) >= noted.taken.count, noted.ahead[number] == nil else { return }
            noted.ahead[number] = QueueSnapshot(queue.pointee)
        }
    }

    /// All of them, by number.
    func all() -> [QueueSnapshot?] {
        while true {
            let all: [QueueSnapshot?]? = noted.withLock { noted in
                noted.taken.reserveCapacity(addresses.count)
                for number in noted.taken.count..<min(noted.taken.count + Self.slice, addresses.count) {
                    let ahead = noted.ahead.removeValue(forKey: UInt32(number))
                    let queue = UnsafePointer<QueueState>(bitPattern: addresses[number])
                    noted.taken.append(ahead ?? queue.map { QueueSnapshot($0.pointee) })
                }
                return noted.taken.count == addresses.count ? noted.taken : nil
            }
            if let all { return all }
        }
    }
}
