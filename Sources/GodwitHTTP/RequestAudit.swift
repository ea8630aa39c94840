import GodwitCore

/// The audit of one request.
struct RequestAudit: Sendable {
    let audit: Audit?
    let access: Access

    func note(_ act: String, _ subject: KeyValuePairs<String, String> = [:]) {
        audit?.note(act, subject, by: access, from: Connection.current?.address)
    }

    /// What of a commit is worth a line: jobs of others that are ended, made again or forgotten, and counters that are deleted, now or when a job
    /// has ended or a counter is full. That then leaves no other line: who asked for it is known now.
    func note(_ transaction: Transaction, _ results: [OperationResult]) {
        guard audit != nil else { return }
        for (operation, result) in zip(transaction.operations, results) where Self.isNew(operation, result) {
            note(operation, isLater: false)
        }
    }

    private func note(_ operation: Operation, isLater: Bool) {
        switch operation {
        case .redrive(let id): note("redrive", "job", id.description, isLater: isLater)
        case .forget(let id): note("forget", "job", id.description, isLater: isLater)
        case .cancel(let id): note("cancel", "job", id.description, isLater: isLater)
        case .retry(let id): note("retry", "job", id.description, isLater: isLater)
        case .delete(let key, _): if let name = key.counterName { note("delete", "counter", name, isLater: isLater) }
        case .enqueue(let message): for followUp in message.onFinal { note(followUp.operation, isLater: true) }
        case .add(let addition): for operation in addition.then { note(operation, isLater: true) }
        case .complete, .fail, .release, .deadLetter, .put: break
        }
    }

    private func note(_ act: String, _ kind: String, _ name: String, isLater: Bool) {
        note(act, isLater ? [kind: name, "when": "later"] : [kind: name])
    }

    /// Whether what an operation says to do later will be done: a job that was there has its own, and so has a counter that other steps made.
    private static func isNew(_ operation: Operation, _ result: OperationResult) -> Bool {
        switch (operation, result) {
        case (.enqueue, .duplicate): false
        case (.add(let addition), .added(let added)): added.counter.count == addition.amount
        default: true
        }
    }
}
