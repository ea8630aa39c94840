import DequeModule
import GodwitCore

/// The messages of recent jobs, so that one that was just published is not read back from disk: a window over sequence numbers with a bound
/// on its bytes, from which the oldest go first.
struct HotMessages {
    private var window = Deque<MessageBox?>()
    private var first: UInt64 = 0
    private var bytes = 0
    private let limit: Int

    /// What an entry costs beside its payload.
    private static let overhead = 256
    /// How many numbers the window spans, also when the most of them are ended jobs.
    static let longestWindow = 1 << 20

    init(limit: Int) { self.limit = limit }

    subscript(sequence: UInt64) -> MessageBox? {
        guard sequence >= first, sequence - first < UInt64(window.count) else { return nil }
        return window[Int(sequence - first)]
    }

    /// Numbers must grow.
    mutating func insert(_ sequence: UInt64, _ message: MessageBox) {
        guard limit > 0 else { return }
        if window.isEmpty { first = sequence }
        guard sequence >= first + UInt64(window.count) else { return }
        if sequence - first - UInt64(window.count) > 4_096 {
            window.removeAll()
            bytes = 0
            first = sequence
        }
        while first + UInt64(window.count) < sequence { window.append(nil) }
        window.append(message)
        bytes += message.size + Self.overhead
        while bytes > limit || window.count > Self.longestWindow, let oldest = window.first {
            if let oldest { bytes -= oldest.size + Self.overhead }
            window.removeFirst()
            first += 1
        }
    }

    mutating func remove(_ sequence: UInt64) {
        guard sequence >= first, sequence - first < UInt64(window.count) else { return }
        let index = Int(sequence - first)
        guard let message = window[index] else { return }
        bytes -= message.size + Self.overhead
        window[index] = nil
        while case .some(nil) = window.first {
            window.removeFirst()
            first += 1
        }
    }
}
