import GodwitCore
import HTTPTypes

extension JSONWriter {
    /// `{"outcomes": [{"status": 200, "results": […]}, {"status": 409, "operation": 1, "error": {…}}]}`, one for each transaction.
    mutating func outcomes(_ outcomes: [TransactionOutcome], of transactions: [Transaction]) {
        object { json in
            json.key("outcomes")
            json.array { json in
                for (index, (outcome, transaction)) in zip(outcomes, transactions).enumerated() {
                    json.outcome(outcome, of: transaction, path: "transactions[\(index)].operations")
                }
            }
        }
    }

    private mutating func outcome(_ outcome: TransactionOutcome, of transaction: Transaction, path: String) {
        object { json in
            switch outcome {
            case .committed(let results):
                json.member("status", 200)
                json.key("results")
                json.array { json in
                    for result in results { json.result(result) }
                }
            case .aborted(let index, let error):
                let problem = Problem(error, in: transaction, operation: index, path: path)
                json.member("status", problem.status.code)
                json.member("operation", index)
                json.key("error")
                problem.write(to: &json)
            }
        }
    }

    private mutating func result(_ result: OperationResult) {
        object { json in
            switch result {
            case .enqueued(let job):
                json.member("id", job.id.description)
                json.member("state", job.state.rawValue)
                json.member("created_at", job.createdAt)
                json.member("run_at", job.runAt)
            case .duplicate(let id):
                json.member("id", id.description)
                json.member("replayed", true)
            case .state(let state): json.member("state", state.rawValue)
            case .forgotten: json.member("forgotten", true)
            case .put(let version): json.member("version", version.description)
            case .added(let added):
                json.member("count", added.counter.count)
                json.member("at", added.counter.target)
                json.member("complete", added.counter.isComplete)
                json.member("counted", added.isCounted)
                json.member("completed", added.completes)
                json.key("enqueued")
                json.array { json in
                    for id in added.enqueued { json.string(id.description) }
                }
            case .deleted: json.member("deleted", true)
            }
        }
    }
}

extension Problem {
    /// What refused an operation of a commit; its field is named by its place.
    fileprivate init(_ error: BrokerError, in transaction: Transaction, operation index: Int, path: String) {
        let place = "\(path)[\(index)]"
        guard transaction.operations.indices.contains(index), let verb = transaction.operations[index].verb else {
            self.init(error, path: place + ".")
            return
        }
        self.init(error, path: "\(place).\(verb.name).")
        // Where the job's id is all that is said, it is what the field says.
        if verb.isOfJob, field != nil, field != SessionHeader.field { field = "\(place).\(verb.name)" }
    }
}

extension GodwitCore.Operation {
    /// How a commit in JSON calls it; nil where it has no word for it.
    fileprivate var verb: (name: String, isOfJob: Bool)? {
        switch self {
        case .enqueue: ("enqueue", false)
        case .complete: ("complete", false)
        case .fail: ("fail", false)
        case .release: ("release", false)
        case .deadLetter: ("dead_letter", false)
        case .cancel: ("cancel", true)
        case .retry: ("retry", true)
        case .redrive: ("redrive", true)
        case .forget: ("forget", true)
        case .add: ("add", false)
        case .delete: ("delete", false)
        case .put: nil
        }
    }
}
