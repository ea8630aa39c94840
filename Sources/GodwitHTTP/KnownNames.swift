import GodwitCore

/// Queues that come into being by HTTP have names that HTTP can say: checks what a request makes jobs in, each name once.
struct KnownNames {
    private var checked: Set<QueueName> = []

    /// - Parameters:
    ///   - field: where the name stands.
    /// - Throws: ``Problem`` when there is no such queue, and none can be made under that name.
    mutating func check(_ name: QueueName, field: @autoclosure () -> String, at broker: any Broker) async throws {
        guard !QueueNames.isPlain(name), !checked.contains(name) else { return }
        _ = try await QueueNames.creatable(name, at: broker, field: field())
        checked.insert(name)
    }

    mutating func check(_ followUps: [FollowUp], field: @autoclosure () -> String, at broker: any Broker) async throws {
        if followUps.isEmpty { return }
        try await check(followUps.map(\.operation), field: field(), at: broker)
    }

    mutating func check(_ operations: [GodwitCore.Operation], field: @autoclosure () -> String, at broker: any Broker) async throws {
        for (index, operation) in operations.enumerated() {
            switch operation {
            case .enqueue(let message):
                try await check(message.queue, field: "\(field())[\(index)].enqueue.queue", at: broker)
                try await check(message.onFinal, field: "\(field())[\(index)].enqueue.on_final", at: broker)
            case .add(let addition): try await check(addition.then, field: "\(field())[\(index)].add.then", at: broker)
            case .deadLetter(_, _, let queue?): try await check(queue, field: "\(field())[\(index)].dead_letter.to", at: broker)
            default: break
            }
        }
    }
}
