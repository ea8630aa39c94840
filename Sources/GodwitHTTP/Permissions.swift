import GodwitCore

/// What somebody needs leave for: an action and, where it is said, the queue that it is about.
struct Need: Hashable {
    var action: JobRoutes.Action
    var queue: QueueName?
}

/// What one request may do. Whoever runs the server is asked once for each action that something in the request needs, the body read or not.
///
/// This is where leave for some queues alone belongs: ``allows(_:)`` sees each queue that is named.
struct Permissions: Sendable {
    private let served: Set<JobRoutes.Action>
    private let authorize: (@Sendable (JobRoutes.Action) async throws -> Bool)?
    private var verdicts: [JobRoutes.Action: Bool] = [:]

    init(served: Set<JobRoutes.Action>, authorize: (@Sendable (JobRoutes.Action) async throws -> Bool)?) {
        self.served = served
        self.authorize = authorize
    }

    /// Whether everything is allowed, so that nobody has to look what is needed.
    var isUnlimited: Bool { authorize == nil && served.count == JobRoutes.Action.allCases.count }

    /// Whether an action is allowed; asks if it was not asked before.
    mutating func ask(for action: JobRoutes.Action) async throws -> Bool {
        guard served.contains(action) else { return false }
        guard let authorize else { return true }
        if let verdict = verdicts[action] { return verdict }
        let verdict = try await authorize(action)
        verdicts[action] = verdict
        return verdict
    }

    /// Asks for all that will be looked up with ``allows(_:)``.
    mutating func ask(for actions: Set<JobRoutes.Action>) async throws {
        // In one order, whatever the set's.
        for action in JobRoutes.Action.allCases where actions.contains(action) { _ = try await ask(for: action) }
    }

    /// Whether any of these actions is allowed.
    mutating func ask(forAnyOf actions: [JobRoutes.Action]) async throws -> Bool {
        for action in actions where try await ask(for: action) { return true }
        return false
    }

    /// The answer to what was asked before; what was not is not allowed.
    func allows(_ need: Need) -> Bool { served.contains(need.action) && (authorize == nil || verdicts[need.action] == true) }
}

extension BrokerError {
    static let forbidden = BrokerError(.forbidden, "you may not do this here: ask whoever runs this server")
}

// MARK: What needs what

extension GodwitCore.Operation {
    /// Whether it ends the attempt of a leased job.
    var isSettle: Bool {
        switch self {
        case .complete, .fail, .release, .deadLetter: true
        default: false
        }
    }

    /// Whether it brings new work.
    var isPublish: Bool {
        switch self {
        case .enqueue, .add: true
        default: false
        }
    }

    /// Names what it needs leave for, more than once perhaps.
    /// - Parameter action: of those who make jobs and count steps here: `publish`, or `work` for what follows a settle.
    func visitNeeds(making action: JobRoutes.Action, _ visit: (Need) -> Void) {
        switch self {
        case .complete, .fail, .release: visit(Need(action: .work))
        case .deadLetter(_, _, let queue): visit(Need(action: .work, queue: queue))
        case .enqueue(let message):
            visit(Need(action: action, queue: message.queue))
            // What comes with a past is taken over from another store.
            if message.past != nil { visit(Need(action: .admin, queue: message.queue)) }
            for followUp in message.onFinal { followUp.operation.visitFollowingNeeds(making: action, visit) }
        case .add(let addition):
            visit(Need(action: action))
            // Only counters that users name are everybody's.
            if addition.key.counterName == nil { visit(Need(action: .admin)) }
            for operation in addition.then { operation.visitFollowingNeeds(making: action, visit) }
        case .cancel, .retry, .redrive, .forget, .put, .delete: visit(Need(action: .admin))
        }
    }

    /// As above, of what follows an end: whoever makes a job may say that another one is cancelled with its end.
    private func visitFollowingNeeds(making action: JobRoutes.Action, _ visit: (Need) -> Void) {
        if case .cancel = self { visit(Need(action: action)) } else { visitNeeds(making: action, visit) }
    }
}

extension Transaction {
    /// Names what each operation needs leave for, with its place.
    func visitNeeds(_ visit: (Int, Need) -> Void) {
        var action = JobRoutes.Action.publish
        for (index, operation) in operations.enumerated() {
            // From here on what is made follows the settle.
            if operation.isSettle { action = .work }
            operation.visitNeeds(making: action) { visit(index, $0) }
        }
    }
}
