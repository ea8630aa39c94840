import Synchronization

/// Keeps segments from being reused while somebody reads locations that the journal's owner gave out: as long as the pin lives, the files
/// of all segments that were there when it was made stay as they are.
package final class JournalPin: Sendable {
    private let table: PinTable
    private let epoch: UInt64

    init(_ table: PinTable) {
        self.table = table
        epoch = table.enter()
    }

    deinit { table.leave(epoch) }
}

/// The pins that live, by the epoch in which each was made. Each reclaiming ends an epoch, and waits only for the pins made before.
final class PinTable: Sendable {
    private struct State {
        var epoch: UInt64 = 0
        var pins: [UInt64: Int] = [:]
    }

    private let state = Mutex(State())

    func enter() -> UInt64 {
        state.withLock {
            $0.pins[$0.epoch, default: 0] += 1
            return $0.epoch
        }
    }

    func leave(_ epoch: UInt64) {
        state.withLock {
            guard let count = $0.pins[epoch] else { return }
            $0.pins[epoch] = count == 1 ? nil : count - 1
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

    /// Whether no pin of `epoch` or an earlier one lives.
    func isFree(_ epoch: UInt64) -> Bool {
        state.withLock { $0.pins.keys.allSatisfy { $0 > epoch } }
    }
}
