import GodwitCore

/// A commit as it stands in JSON: `{"transactions": [{"operations": [{"enqueue": {…}}, {"complete": {"lease", …}}, …]}, …]}`.
struct CommitJSON {
    static let verbs = ["enqueue", "complete", "fail", "release", "dead_letter", "cancel", "retry", "redrive", "forget", "add", "delete"]

    let limits: JobRoutes.Limits

    func transactions(_ value: JSONValue) throws(Problem) -> [Transaction] {
        var object = try ObjectReader(value)
        guard let items = object.value("transactions")?.elements else {
            throw .invalid("transactions", "say what to commit: an array of transactions, each with its operations")
        }
        try object.finish()
        try CommitController.check(items.count)
        var transactions: [Transaction] = []
        transactions.reserveCapacity(items.count)
        var operations = 0
        for (index, item) in items.enumerated() {
            transactions.append(try transaction(item, path: "transactions[\(index)].", after: operations))
            operations += transactions[index].operations.count
        }
        return transactions
    }

    /// - Parameter before: how many operations the transactions before it have.
    private func transaction(_ value: JSONValue, path: String, after before: Int) throws(Problem) -> Transaction {
        var object = try ObjectReader(value, path: path)
        let field = path + "operations"
        guard let items = object.value("operations")?.elements else {
            throw .invalid(field, "say what the transaction does: an array of operations")
        }
        try object.finish()
        guard (1...Limits.operations).contains(items.count) else {
            throw .invalid(field, "the transaction has \(items.count) operations: use 1 to \(Limits.operations)")
        }
        try CommitController.check(operations: before + items.count)
        var operations: [GodwitCore.Operation] = []
        operations.reserveCapacity(items.count)
        for (index, item) in items.enumerated() { operations.append(try operation(item, path: "\(field)[\(index)].")) }
        return Transaction(operations)
    }

    private func operation(_ value: JSONValue, path: String) throws(Problem) -> GodwitCore.Operation {
        let members = try ObjectReader(value, path: path).all
        guard members.count == 1, let (verb, detail) = members.first, Self.verbs.contains(verb) else {
            throw .invalid(String(path.dropLast()), "say exactly one of \(Self.verbs.joined(separator: ", "))")
        }
        let field = path + verb
        switch verb {
        case "enqueue": return .enqueue(try JSONMessage(detail, path: field + ".", queue: nil, limits: limits).message)
        case "add": return .add(try FollowUpJSON(limits: limits).addition(detail, path: field + "."))
        case "cancel": return .cancel(try job(detail, field: field))
        case "retry": return .retry(try job(detail, field: field))
        case "redrive": return .redrive(try job(detail, field: field))
        case "forget": return .forget(try job(detail, field: field))
        case "delete": return .delete(try counter(detail, path: field + "."), expecting: .anything)
        default: return try settle(verb, detail, path: field + ".")
        }
    }

    private func job(_ value: JSONValue, field: String) throws(Problem) -> JobID {
        guard let id = value.string, !id.isEmpty else { throw .invalid(field, "say which job this is about: its id, as a string") }
        return JobID(id)
    }

    /// `{"key"}`, as a step names its counter.
    private func counter(_ value: JSONValue, path: String) throws(Problem) -> RecordKey {
        var object = try ObjectReader(value, path: path)
        // A counter that is there is reached whatever its name is made of.
        guard let name = try object.lines("key", limit: Limits.counterName) else {
            throw .invalid(path + "key", "say which counter is deleted")
        }
        try object.finish()
        return .counter(name)
    }

    private func settle(_ verb: String, _ value: JSONValue, path: String) throws(Problem) -> GodwitCore.Operation {
        var object = try ObjectReader(value, path: path)
        guard let token = object.value("lease")?.string, !token.isEmpty else {
            throw .invalid(path + "lease", "say which lease this is about")
        }
        let lease = LeaseToken(token)
        switch verb {
        case "fail": return try Settlement.failure(of: lease, &object)
        case "dead_letter": return try Settlement.deadLetter(of: lease, &object)
        case "release": return try Settlement.release(of: lease, &object)
        default:
            let result = try result(&object)
            try object.finish()
            return .complete(lease, result: result)
        }
    }

    /// `result` (any JSON value, or a text with its `content_type`), `result_text` or `result_base64`; null and nothing are no result.
    private func result(_ object: inout ObjectReader) throws(Problem) -> Content? {
        let content: Content
        let field: String
        if let value = object.raw("result_text") {
            field = object.path + "result_text"
            guard let text = value.string else { throw .invalid(field, "result_text must be a string") }
            guard object.raw("result") == nil, object.raw("result_base64") == nil, object.raw("content_type") == nil else {
                throw .invalid(field, "say result_text alone: with a content_type of its own a text is the result")
            }
            content = Content(Bytes(text), type: Content.text)
        } else if object.value("result") != nil || object.raw("result_base64") != nil {
            field = object.path + (object.raw("result_base64") == nil ? "result" : "result_base64")
            content = try JSONMessage.content(&object, named: "result")
        } else {
            guard object.raw("content_type") == nil else {
                throw .invalid(object.path + "content_type", "there is no result that this could be the type of: say one, or leave it out")
            }
            // No result, or null.
            _ = object.raw("result")
            return nil
        }
        guard content.bytes.count <= limits.jobBytes else { throw .tooLarge(field, limit: limits.jobBytes) }
        return content
    }
}
