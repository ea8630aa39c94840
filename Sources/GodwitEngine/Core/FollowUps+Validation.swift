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
        guard milliseconds - wall <= Limits.longestDuration.inMilliseconds else {
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
        case .cancel: break
        default:
            throw .invalidArgument("operation", "only what nothing can refuse can follow: enqueue, put, add and cancel")
        }
    }
}
