import Synchronization

/// Something that happens once, such as a connection's end or the beginning of a drain, and whoever wants to hear of it.
package final class Latch: Sendable {
    private struct State {
        var isSet = false
        var nextID = 0
        var callbacks: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package var isSet: Bool { state.withLock { $0.isSet } }

    /// Sets the latch and calls those who wait, once; later calls do nothing.
    package func set() {
        let callbacks = state.withLock { state in
            guard !state.isSet else { return [@Sendable () -> Void]() }
            state.isSet = true
            defer { state.callbacks = [:] }
            return Array(state.callbacks.values)
        }
        for callback in callbacks { callback() }
    }

    /// Calls back when the latch is set, at once if it is already. The answer is for ``remove(_:)``.
    package func onSet(_ callback: @escaping @Sendable () -> Void) -> Int {
        let id: Int? = state.withLock { state in
            guard !state.isSet else { return nil }
            state.nextID += 1
            state.callbacks[state.nextID] = callback
            return state.nextID
        }
        if id == nil { callback() }
        return id ?? 0
    }

    package func remove(_ id: Int) { state.withLock { _ = $0.callbacks.removeValue(forKey: id) } }
}
