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
            for followUp in message.onFinal { followUp.operation.visitNeeds(making: action, visit) }
        case .add(let addition):
            visit(Need(action: action))
            // Only counters that users name are everybody's.
            if addition.key.counterName == nil { visit(addition.key.need) }
            for operation in addition.then { operation.visitNeeds(making: action, visit) }
        case .cancel(let id), .retry(let id), .redrive(let id), .forget(let id): visit(Need(action: .admin, job: id))
        case .put(let key, _, _, _): visit(key.need)
        case .delete(let key, _): visit(key.counterName == nil ? key.need : Need(action: .admin, isOfStore: true))
        }
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
    /// Names what each operation needs leave for, with its place.
    /// - Parameter action: of those who make jobs and count steps before anything is settled.
    func visitNeeds(making action: JobRoutes.Action = .publish, _ visit: (Int, Need) -> Void) {
        var action = action
        for (index, operation) in operations.enumerated() {
            // From here on what is made follows the settle.
            if operation.isSettle { action = .work }
            operation.visitNeeds(making: action) { visit(index, $0) }
        }
    }
}
