import GodwitCore

/// What one request may do. Whoever runs the server is asked once for each action that something in the request needs, the body read or not; a
/// token's own actions and queues are known.
struct Permissions: Sendable {
    /// Jobs whose queues are looked up at a time.
    private static let jobsAtATime = 1_000

    private let served: Set<JobRoutes.Action>
    let access: Access
    private let authorize: (@Sendable (JobRoutes.Action) async throws -> Bool)?
    private var verdicts: [JobRoutes.Action: Bool] = [:]
    /// The queues of jobs that were looked up.
    private var queues: [JobID: QueueName] = [:]

    init(
        served: Set<JobRoutes.Action>,
        access: Access = .everybody,
        authorize: (@Sendable (JobRoutes.Action) async throws -> Bool)?
    ) {
        self.access = access
        self.served = served.filter { access.allows($0) }
        self.authorize = authorize
    }

    /// Whether everything is allowed, so that nobody has to look what is needed.
    var isUnlimited: Bool { authorize == nil && served.count == JobRoutes.Action.allCases.count && hasAllQueues }
    /// Whether it does not matter which queue something is about.
    var hasAllQueues: Bool { access.hasAllQueues }

    func allows(_ queue: QueueName) -> Bool { access.allows(queue) }

    /// Looks up the queues of jobs, for those who may use some queues alone and do something to jobs there.
    mutating func lookUp(_ jobs: Set<JobID>, at broker: any Broker) async throws(BrokerError) {
        if hasAllQueues || jobs.isEmpty || !isGranted(.admin) { return }
        let jobs = Array(jobs)
        for start in stride(from: 0, to: jobs.count, by: Self.jobsAtATime) {
            let part = try await broker.read(Array(jobs[start..<min(start + Self.jobsAtATime, jobs.count)]))
            for case .found(let job) in part { queues[job.id] = job.queue }
        }
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

    /// Whether it makes sense to ask for an action.
    func mayAsk(for action: JobRoutes.Action) -> Bool { served.contains(action) }

    /// Whether an action is allowed, as far as it was asked for; what was not is not allowed.
    func isGranted(_ action: JobRoutes.Action) -> Bool {
        served.contains(action) && (authorize == nil || verdicts[action] == true)
    }

    /// The answer to what was asked before; what was not is not allowed.
    func allows(_ need: Need) -> Bool {
        guard isGranted(need.action) else { return false }
        if hasAllQueues { return true }
        if need.isOfStore { return false }
        if let queue = need.queue, !allows(queue) { return false }
        // Of a job that is not there nothing is given away: the broker says that it is not.
        if let job = need.job, let queue = queues[job] { return allows(queue) }
        return true
    }

    /// Asks for what transactions need, and looks up what they are about, so that ``allows(_:)`` can tell.
    mutating func prepare(for transactions: [Transaction], making action: JobRoutes.Action, at broker: any Broker) async throws {
        if isUnlimited { return }
        var actions: Set<JobRoutes.Action> = [], jobs: Set<JobID> = []
        for transaction in transactions {
            transaction.visitNeeds(making: action) { _, need in
                actions.insert(need.action)
                if let job = need.job { jobs.insert(job) }
            }
        }
        try await ask(for: actions)
        try await lookUp(jobs, at: broker)
    }

    /// The first operation of a transaction that may not be done; nil when all may. ``prepare(for:making:at:)`` went before.
    func forbidden(in transaction: Transaction, making action: JobRoutes.Action) -> Int? {
        if isUnlimited { return nil }
        var forbidden: Int?
        transaction.visitNeeds(making: action) { index, need in
            if forbidden == nil, !allows(need) { forbidden = index }
        }
        return forbidden
    }

    /// - Throws: ``Problem`` when an operation, or what follows it, may not be done.
    /// - Parameter action: of those who make jobs and count steps here.
    mutating func check(_ operations: [GodwitCore.Operation], making action: JobRoutes.Action, at broker: any Broker) async throws {
        let transaction = Transaction(operations)
        try await prepare(for: [transaction], making: action, at: broker)
        if forbidden(in: transaction, making: action) != nil { throw Problem.forbidden }
    }
}

extension Permissions {
    /// What of a job this client is shown: a holder's name lets workers end its leases, so it is for those who administer the job's queue. That of
    /// all who name none is nobody's to end.
    func shown(_ job: JobSnapshot, hiding sharedHolder: HolderID) -> JobSnapshot {
        guard let holder = job.holder, holder == sharedHolder || !allows(Need(action: .admin, queue: job.queue)) else { return job }
        var job = job
        job.holder = nil
        return job
    }

    /// What stands between a token's name and its holders'.
    static let holderSeparator: Character = "\u{1F}"

    /// A holder as the broker knows it. Whoever may use some queues alone has names of his own: he ends no leases but those. What stands between
    /// his name and theirs stands in no name.
    func holder(_ name: String) throws(Problem) -> HolderID {
        guard !name.hasControlCharacters else {
            throw .invalid("holder", "a holder's name has a control character, such as a line end: leave it out")
        }
        guard let grant = access.grant, !grant.queues.isEmpty else { return HolderID(name) }
        let full = "\(grant.name)\(Self.holderSeparator)\(name)"
        guard full.utf8.count <= Limits.holderName else {
            throw .invalid("holder", "a holder's name has at most \(Limits.holderName - grant.name.utf8.count - 1) bytes with this token")
        }
        return HolderID(full)
    }
}

extension BrokerError {
    static let forbidden = BrokerError(.forbidden, "you may not do this here: ask whoever runs this server")
}
