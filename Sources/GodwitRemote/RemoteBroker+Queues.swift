package import GodwitCore
import GodwitWire

extension RemoteBroker {
    package func queues() async throws(BrokerError) -> [QueueStatus] {
        guard case .queues(let statuses) = try await call(.queues) else { throw Self.mixedUp }
        return statuses
    }

    package func queue(_ name: QueueName) async throws(BrokerError) -> QueueStatus? {
        guard case .queue(let status) = try await call(.queue(name)) else { throw Self.mixedUp }
        return status
    }

    package func configure(
        _ queue: QueueName,
        _ settings: QueueSettings,
        expecting: Expectation,
        startsPaused: Bool
    ) async throws(BrokerError) -> QueueStatus {
        try settings.validate(for: queue)
        let answer = try await call(.configure(queue, settings, expecting: expecting, startsPaused: startsPaused))
        guard case .queue(let status?) = answer else { throw Self.mixedUp }
        return status
    }

    package func pause(_ queue: QueueName) async throws(BrokerError) {
        guard case .done = try await call(.pause(queue)) else { throw Self.mixedUp }
    }

    package func resume(_ queue: QueueName) async throws(BrokerError) {
        guard case .done = try await call(.resume(queue)) else { throw Self.mixedUp }
    }

    package func purge(_ queue: QueueName) async throws(BrokerError) -> Int {
        guard case .purged(let count) = try await call(.purge(queue)) else { throw Self.mixedUp }
        return count
    }

    package func delete(_ queue: QueueName, purging: Bool) async throws(BrokerError) {
        guard case .done = try await call(.delete(queue, purging: purging)) else { throw Self.mixedUp }
    }
}
