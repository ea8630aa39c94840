import GodwitCore
import Synchronization

/// All queues as they were at most a second ago: what many pages that are kept up to date share, so that each of them costs the engine nothing.
final class QueuesGlance: Sendable {
    private static let age: Duration = .seconds(1)

    private struct Taken {
        let queues: [QueueStatus]
        let at: ContinuousClock.Instant
    }

    private struct State {
        var last: Taken?
        /// The look that is being taken, which the others wait for.
        var ongoing: Task<Result<[QueueStatus], BrokerError>, Never>?
    }

    private let state = Mutex(State())

    func queues(_ broker: any Broker) async throws(BrokerError) -> [QueueStatus] {
        let now = ContinuousClock.now
        let (known, ongoing): ([QueueStatus]?, Task<Result<[QueueStatus], BrokerError>, Never>?) = state.withLock { state in
            if let last = state.last, now - last.at < Self.age { return (last.queues, nil) }
            if let ongoing = state.ongoing { return (nil, ongoing) }
            let task = Task { await take(broker) }
            state.ongoing = task
            return (nil, task)
        }
        if let known { return known }
        guard let ongoing else { return try await broker.queues() }
        return try await ongoing.value.get()
    }

    private func take(_ broker: any Broker) async -> Result<[QueueStatus], BrokerError> {
        let result: Result<[QueueStatus], BrokerError>
        do throws(BrokerError) { result = .success(try await broker.queues()) } catch { result = .failure(error) }
        state.withLock { state in
            state.ongoing = nil
            if case .success(let queues) = result { state.last = Taken(queues: queues, at: .now) }
        }
        return result
    }
}
