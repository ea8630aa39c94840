import GodwitCore

/// In which order queues stand on the page.
enum QueueOrder: String, CaseIterable, Sendable {
    case name, failed, queued, running, waiting, oldest, refused

    var label: String {
        switch self {
        case .name: "by name"
        case .failed: "most failed"
        case .queued: "most queued"
        case .running: "most running"
        case .waiting: "most that wait for their time"
        case .oldest: "oldest queued"
        case .refused: "most refused"
        }
    }

    /// The places of those of the queues, which stand in the order of their names, whose names contain a text, in this order. There may be very many,
    /// and each is large: only places are moved.
    /// - Parameter text: in capitals or not.
    func arrange(_ queues: [QueueStatus], containing text: String?) -> [Int] {
        var places = Array(queues.indices)
        if let text {
            let word = text.utf8.map(Self.folded)
            places.removeAll { !Self.contains(queues[$0].name, word) }
        }
        guard self != .name else { return places }
        // Equal ones stay in the order of their names: the numbers are taken once, not for each comparison.
        return places.map { (place: $0, rank: rank(queues[$0])) }.sorted { ($1.rank, $0.place) < ($0.rank, $1.place) }.map(\.place)
    }

    private static func contains(_ name: QueueName, _ word: [UInt8]) -> Bool {
        var text = name.description
        return text.withUTF8 { text in
            guard text.count >= word.count else { return false }
            return (0...(text.count - word.count)).contains { start in word.indices.allSatisfy { folded(text[start + $0]) == word[$0] } }
        }
    }

    private static func folded(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

    /// The first is the one with the highest rank.
    private func rank(_ queue: QueueStatus) -> Int64 {
        switch self {
        case .name: 0
        case .failed: Int64(queue.counts.failed)
        case .queued: Int64(queue.counts.queued)
        case .running: Int64(queue.counts.running)
        case .waiting: Int64(queue.counts.scheduled + queue.counts.retrying)
        case .oldest: queue.oldestQueued.map { -$0.milliseconds } ?? .min
        case .refused: Int64(queue.totals.refused)
        }
    }
}
