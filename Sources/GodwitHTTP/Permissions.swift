import GodwitCore

/// What somebody needs leave for: an action, and what it is about as far as that is said.
struct Need: Hashable {
    var action: JobRoutes.Action
    var queue: QueueName?
    /// A job, whose queue is to be looked up.
    var job: JobID?
    /// Whether it is about all queues at once.
    var isOfStore = false
}

/// What one request may do. Whoever runs the server is asked once for each action that something in the request needs, the body read or not; a
/// token's own actions and queues are known.
struct Permissions: Sendable {
    private let served: Set<JobRoutes.Action>
    /// Who asks; nil where that is not known here.
    let access: Access?
    private let authorize: (@Sendable (JobRoutes.Action) async throws -> Bool)?
    private var verdicts: [JobRoutes.Action: Bool] = [:]
    /// The queues of jobs that were looked up.
    private var queues: [JobID: QueueName] = [:]

    init(
        served: Set<JobRoutes.Action>,
        access: Access? = nil,
        authorize: (@Sendable (JobRoutes.Action) async throws -> Bool)?
    ) {
        self.access = access
        self.served = access.map { served.intersection($0.actions) } ?? served
        self.authorize = authorize
    }

    /// Whether everything is allowed, so that nobody has to look what is needed.
    var isUnlimited: Bool { authorize == nil && served.count == JobRoutes.Action.allCases.count && hasAllQueues }
    /// Whether it does not matter which queue something is about.
    var hasAllQueues: Bool { access?.hasAllQueues ?? true }

    func allows(_ queue: QueueName) -> Bool { access?.allows(queue) ?? true }

    /// Looks up the queues of jobs, for those who may use some queues alone.
    mutating func lookUp(_ jobs: [JobID], at broker: any Broker) async throws(BrokerError) {
        if hasAllQueues || jobs.isEmpty { return }
        for case .found(let job) in try await broker.read(jobs) { queues[job.id] = job.queue }
    }

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
    func allows(_ need: Need) -> Bool {
        guard served.contains(need.action), authorize == nil || verdicts[need.action] == true else { return false }
        if hasAllQueues { return true }
        if need.isOfStore { return false }
        if let queue = need.queue, !allows(queue) { return false }
        // Of a job that is not there nothing is given away: the broker says that it is not.
        if let job = need.job, let queue = queues[job] { return allows(queue) }
        return true
    }

    /// - Throws: ``Problem`` when an operation, or what follows it, may not be done. The actions were asked for.
    /// - Parameter action: of those who make jobs and count steps here.
    func check(_ operations: [GodwitCore.Operation], making action: JobRoutes.Action) throws(Problem) {
        if hasAllQueues { return }
        var isForbidden = false
        for operation in operations {
            operation.visitNeeds(making: action) { need in
                if let queue = need.queue, !allows(queue) { isForbidden = true }
            }
        }
        if isForbidden { throw .forbidden }
    }
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
            if addition.key.counterName == nil { visit(addition.key.need) }
            for operation in addition.then { operation.visitFollowingNeeds(making: action, visit) }
        case .cancel(let id), .retry(let id), .redrive(let id), .forget(let id): visit(Need(action: .admin, job: id))
        case .put(let key, _, _, _): visit(key.need)
        case .delete(let key, _): visit(key.counterName == nil ? key.need : Need(action: .admin, isOfStore: true))
        }
    }

    /// As above, of what follows an end: whoever makes a job may say that another one is cancelled with its end.
    private func visitFollowingNeeds(making action: JobRoutes.Action, _ visit: (Need) -> Void) {
        if case .cancel = self { visit(Need(action: action)) } else { visitNeeds(making: action, visit) }
    }
}

extension RecordKey {
    /// What reading, putting and deleting it needs leave for: what is kept with a queue (when a schedule fired last) is for those who publish there,
    /// a counter for whoever counts.
    var need: Need {
        switch home {
        case .queue(let name): Need(action: .publish, queue: name)
        case .own where counterName != nil: Need(action: .publish)
        case .own, .job: Need(action: .admin, isOfStore: true)
        }
    }
}

extension Transaction {
    /// The jobs that it names and that somebody else may have made.
    var jobs: [JobID] {
        operations.compactMap { operation in
            switch operation {
            case .cancel(let id), .retry(let id), .redrive(let id), .forget(let id): id
            default: nil
            }
        }
    }

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
