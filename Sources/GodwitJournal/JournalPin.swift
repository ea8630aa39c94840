import Synchronization

/// Keeps segments from being reused while somebody reads locations that the journal's owner gave out: as long as the pin lives, the files
/// of all segments that were there when it was made stay as they are. Those that came later are none of its business.
package final class JournalPin: Sendable {
    private let table: PinTable
    private let epoch: UInt64
    /// The newest segment that it holds.
    package let newest: UInt32

    init(_ table: PinTable, newest: UInt32) {
        self.table = table
        self.newest = newest
        epoch = table.enter(newest)
    }

    deinit { table.leave(epoch) }
}

/// The pins that live, by the epoch in which each was made. Each reclaiming ends an epoch, and waits only for the pins made before.
final class PinTable: Sendable {
    private struct Pins {
        var count = 0
        /// The newest segment that any of them holds, or held.
        var newest: UInt32 = 0
    }

    private struct State {
        var epoch: UInt64 = 0
        var pins: [UInt64: Pins] = [:]
    }

    private let state = Mutex(State())

    func enter(_ newest: UInt32) -> UInt64 {
        state.withLock { state in
            state.pins[state.epoch, default: Pins()].count += 1
            state.pins[state.epoch]?.newest = newest
            return state.epoch
        }
    }

    func leave(_ epoch: UInt64) {
        state.withLock { state in
            guard let pins = state.pins[epoch] else { return }
            if pins.count == 1 { state.pins[epoch] = nil } else { state.pins[epoch]?.count -= 1 }
        }
    }

    /// Ends the epoch; answers the one that ended.
    func endEpoch() -> UInt64 {
        state.withLock { state in
            defer { state.epoch += 1 }
            return state.epoch
        }
    }

    /// Whether no pin lives.
    var isEmpty: Bool { state.withLock(\.pins.isEmpty) }

    /// Whether no pin of `epoch` or an earlier one lives that was made when the segment was there.
    func isFree(_ segment: UInt32, _ epoch: UInt64) -> Bool {
        state.withLock { $0.pins.allSatisfy { $0.key > epoch || $0.value.newest < segment } }
    }
}
