package import GodwitCore
import Synchronization

/// All queues as they were a moment ago: what many who look at all of them share, so that each of them costs the engine nothing.
package final class QueuesGlance: Sendable {
    /// How old it may be at most.
    private static let age: Duration = .seconds(1)
    /// The age that a queue adds, for whoever asks once: it takes the engine a small part of this to tell of one, so that looks never keep it busy. Of a
    /// few queues each look sees what was there when it was asked for.
    private static let ageOfOne: Duration = .microseconds(20)

    private typealias Answer = Result<[QueueStatus], BrokerError>

    private struct Taken {
        let queues: [QueueStatus]
        /// When it was asked for.
        let at: ContinuousClock.Instant
    }

    private struct State {
        var last: Taken?
        /// The look that is being taken, which the others wait for.
        var ongoing: Task<Answer, Never>?
        /// Looks that began before the latest of these are not shared.
        var deeds = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// - Parameter isLive: whether this is one of many looks of the same reader, who sees the next one soon.
    package func queues(_ broker: any Broker, isLive: Bool = false) async throws(BrokerError) -> [QueueStatus] {
        let now = ContinuousClock.now
        let look: Look = state.withLock { state in
            if let last = state.last {
                let age = isLive ? Self.age : min(Self.age, Self.ageOfOne * last.queues.count)
                if now - last.at < age { return .known(last.queues) }
            }
            if let ongoing = state.ongoing { return .ongoing(ongoing) }
            let deeds = state.deeds
            let task = Task { await take(broker, deeds) }
            state.ongoing = task
            return .ongoing(task)
        }
        switch look {
        case .known(let queues): return queues
        case .ongoing(let task): return try await task.value.get()
        }
    }

    private enum Look {
        case known([QueueStatus])
        case ongoing(Task<Answer, Never>)
    }

    /// Something was done: whoever looks from now on sees what became of it.
    package func forget() {
        state.withLock { state in
            state.last = nil
            state.ongoing = nil
            state.deeds += 1
        }
    }

    private func take(_ broker: any Broker, _ deeds: Int) async -> Answer {
        let began = ContinuousClock.now
        let result: Answer
        do throws(BrokerError) { result = .success(try await broker.queues()) } catch { result = .failure(error) }
        state.withLock { state in
            guard state.deeds == deeds else { return }
            state.ongoing = nil
            if case .success(let queues) = result { state.last = Taken(queues: queues, at: began) }
        }
        return result
    }
}
