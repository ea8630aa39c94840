import GodwitCore

extension Addition {
    /// - Parameters:
    ///   - depth: in how many others' follow-ups it stands.
    ///   - isImported: as for a message.
    func validate(depth: Int, isImported: Bool) throws(BrokerError) {
        try GodwitCore.Operation.check(key)
        if !isImported {
            try GodwitCore.Operation.check("key", key.name)
            try GodwitCore.Operation.check("step", step)
        }
        guard (1...Limits.step).contains(step.utf8.count) else {
            throw .invalidArgument("step", "a step's id has 1 to \(Limits.step) bytes")
        }
        guard (0...Limits.counterTarget).contains(amount) else {
            throw .invalidArgument("n", "a step counts 0 to \(Limits.counterTarget)")
        }
        guard (1...Limits.counterTarget).contains(target) else {
            throw .invalidArgument("at", "a counter counts up to 1 to \(Limits.counterTarget)")
        }
        if let lifetime { try GodwitCore.Operation.check("lifetime", lifetime, from: .milliseconds(1)) }
        if !then.isEmpty { try then.validate(asFollowUpsIn: "then", depth: depth, isImported: isImported) }
    }
}

extension [FollowUp] {
    /// Checks what is to follow a job's end.
    /// - Parameters:
    ///   - depth: in how many others' follow-ups the job stands.
    ///   - isImported: whether it comes from another store.
    func validate(depth: Int, isImported: Bool) throws(BrokerError) {
        for (index, followUp) in enumerated() where followUp.when.isEmpty || !followUp.when.isSubset(of: .all) {
            throw .invalidArgument(
                "on_final[\(index)].when",
                "what follows needs ends that it follows: one or more of \(FinalStates.all.names.joined(separator: ", "))"
            )
        }
        try map(\.operation).validate(asFollowUpsIn: "on_final", depth: depth, isImported: isImported)
    }
}

extension [GodwitCore.Operation] {
    /// Checks operations that are to follow something.
    /// - Parameters:
    ///   - field: where they are said.
    ///   - depth: in how many others' follow-ups they stand.
    ///   - isImported: whether they come from another store.
    func validate(asFollowUpsIn field: String, depth: Int, isImported: Bool) throws(BrokerError) {
        guard count <= Limits.followUps else {
            throw .invalidArgument(field, "\(field) has at most \(Limits.followUps) operations, this one \(count)")
        }
        guard depth < Limits.followUpDepth else {
            throw .invalidArgument(field, "what follows stands at most \(Limits.followUpDepth) deep inside each other")
        }
        for (index, operation) in enumerated() {
            do throws(BrokerError) { try operation.validate(asFollowUpAt: depth + 1, isImported: isImported) } catch {
                var error = error
                error.field = ["\(field)[\(index)]", operation.member, error.field].compactMap(\.self).joined(separator: ".")
                throw error
            }
        }
        // Inside others they are counted with those.
        guard depth > 0 || reduce(0, { $0 + $1.followUpSize }) <= Limits.followUpBytes else {
            throw BrokerError(.tooLarge, "\(field) has at most \(Limits.followUpBytes) bytes", field: field)
        }
    }
}

extension [GodwitCore.Operation] {
    /// Refuses messages that are to run later than any may: the end that they follow cannot come before now.
    func checkStarts(in field: String, at wall: Int64) throws(BrokerError) {
        for (index, operation) in enumerated() {
            let place = "\(field)[\(index)]"
            switch operation {
            case .enqueue(let message):
                if case .at(let time) = message.start { try time.checkStart(as: place + ".run_at", at: wall) }
                if !message.onFinal.isEmpty { try message.onFinal.map(\.operation).checkStarts(in: place + ".on_final", at: wall) }
            case .add(let addition): try addition.then.checkStarts(in: place + ".then", at: wall)
            default: break
            }
        }
    }
}

extension Timestamp {
    /// Refuses it as the time at which a job runs first when it is too far off.
    func checkStart(as field: String, at wall: Int64) throws(BrokerError) {
        let (wait, overflows) = milliseconds.subtractingReportingOverflow(wall)
        guard overflows ? milliseconds < wall : wait <= Limits.longestDuration.inMilliseconds else {
            throw .invalidArgument(field, "run_at must be at most \(Limits.longestDuration.text) from now")
        }
    }
}

extension GodwitCore.Operation {
    /// What an operation that follows is called where it is written down; nil for one that stands there by itself.
    fileprivate var member: String? {
        switch self {
        case .enqueue: "enqueue"
        case .add: "add"
        default: nil
        }
    }

    fileprivate func validate(asFollowUpAt depth: Int, isImported: Bool) throws(BrokerError) {
        switch self {
        case .enqueue(let message): try message.validate(depth: depth, isImported: isImported)
        case .put(let key, let value, .anything, let lifetime): try Self.checkPut(key, value, lifetime)
        case .put: throw .invalidArgument("expecting", "a put that follows cannot expect a version: nobody is there to be refused")
        case .add(let addition): try addition.validate(depth: depth, isImported: isImported)
        case .cancel(let id):
            guard (1...64).contains(id.description.utf8.count), !id.description.hasControlCharacters else {
                throw .invalidArgument("cancel", "a job's id has 1 to 64 bytes and no control characters: check it")
            }
        default:
            throw .invalidArgument("operation", "only what nothing can refuse can follow: enqueue, put, add and cancel")
        }
    }
}
