package import GodwitCore

/// Who somebody is, and what he may do.
package struct Access: Sendable, Hashable {
    /// The token's name: for the log, never the token.
    package var name: String
    package var actions: Set<JobRoutes.Action>
    /// The queues that he may use; empty for all.
    package var queues: [QueuePattern]

    package init(name: String, actions: Set<JobRoutes.Action>, queues: [QueuePattern] = []) {
        self.name = name
        self.actions = actions
        self.queues = queues
    }

    package var hasAllQueues: Bool { queues.isEmpty }

    package func allows(_ queue: QueueName) -> Bool { queues.isEmpty || queues.contains { $0.matches(queue) } }
}
