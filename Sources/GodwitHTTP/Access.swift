package import GodwitCore

/// Who asks for something.
package enum Access: Sendable, Hashable {
    /// Nobody is told from anybody else here: whoever gets here may do what is served.
    case everybody
    case known(Grant)
    /// Who has not shown who he is: he may do nothing. Nor may a request whose sender got lost on the way.
    case nobody

    /// What he was given, where he is known.
    package var grant: Grant? { if case .known(let grant) = self { grant } else { nil } }

    /// How long he may go on with what he begins now.
    package var tenure: Tenure { grant?.tenure ?? Tenure() }

    package func allows(_ action: JobRoutes.Action) -> Bool {
        switch self {
        case .everybody: true
        case .known(let grant): grant.actions.contains(action)
        case .nobody: false
        }
    }

    package var hasAllQueues: Bool {
        switch self {
        case .everybody: true
        case .known(let grant): grant.queues.isEmpty
        case .nobody: false
        }
    }

    package func allows(_ queue: QueueName) -> Bool {
        switch self {
        case .everybody: true
        case .known(let grant): grant.allows(queue)
        case .nobody: false
        }
    }

    /// What the log calls him.
    package var name: String {
        switch self {
        case .everybody: "anybody"
        case .known(let grant): grant.name
        case .nobody: "nobody"
        }
    }
}

/// Whom a token stands for, and what it is for.
package struct Grant: Sendable, Hashable {
    /// The token's name: for the log, never the token.
    package var name: String
    package var actions: Set<JobRoutes.Action>
    /// The queues that may be used with it; empty for all.
    package var queues: [QueuePattern]
    package var tenure = Tenure()

    package init(name: String, actions: Set<JobRoutes.Action>, queues: [QueuePattern] = []) {
        self.name = name
        self.actions = actions
        self.queues = queues
    }

    package func allows(_ queue: QueueName) -> Bool { queues.isEmpty || queues.contains { $0.matches(queue) } }
}
