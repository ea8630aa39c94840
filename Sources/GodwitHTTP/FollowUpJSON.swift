import GodwitCore

/// What follows a job's end, or a full counter, as it stands in JSON: an array of objects, each with one of `enqueue` (a job with its queue), `add`
/// (a step with its counter) and `cancel` (a job's id), and, for a job's end, with `when`: a final state or an array of them.
struct FollowUpJSON {
    private static let verbs = ["enqueue", "add", "cancel"]

    let limits: JobRoutes.Limits
    /// Whether it comes from another store.
    var isImported = false
    /// In how many others it stands.
    var depth = 0

    private var deeper: FollowUpJSON { FollowUpJSON(limits: limits, isImported: isImported, depth: depth + 1) }

    /// - Parameters:
    ///   - field: where it stands.
    ///   - hasEnds: whether a job's end is followed, so that each can say after which ends.
    func read(_ value: JSONValue?, field: String, hasEnds: Bool) throws(Problem) -> [FollowUp] {
        guard let value else { return [] }
        guard let items = value.elements else { throw .invalid(field, "\(field) must be an array of what follows") }
        // Before anything in it is looked at: each level is read once more for all that are around it.
        guard depth < Limits.followUpDepth else {
            throw .invalid(field, "what follows stands at most \(Limits.followUpDepth) deep inside each other")
        }
        guard items.count <= Limits.followUps else {
            throw .invalid(field, "\(field) has \(items.count) operations: use at most \(Limits.followUps)")
        }
        var followUps: [FollowUp] = []
        for (index, item) in items.enumerated() {
            followUps.append(try followUp(item, path: "\(field)[\(index)].", hasEnds: hasEnds))
        }
        return followUps
    }

    private func followUp(_ value: JSONValue, path: String, hasEnds: Bool) throws(Problem) -> FollowUp {
        var object = try ObjectReader(value, path: path, isImported: isImported)
        var said: [(verb: String, value: JSONValue)] = []
        for verb in Self.verbs {
            if let value = object.raw(verb) { said.append((verb, value)) }
        }
        let when = hasEnds ? object.value("when") : nil
        try object.finish()
        guard said.count == 1, let (verb, detail) = said.first else {
            throw .invalid(String(path.dropLast()), "say exactly one of \(Self.verbs.joined(separator: ", "))")
        }
        let states = try when.map { value throws(Problem) in try Self.states(value, field: path + "when") } ?? .all
        switch verb {
        case "enqueue":
            let message = try JSONMessage(
                detail,
                path: path + "enqueue.",
                queue: nil,
                limits: limits,
                isImported: isImported,
                depth: depth + 1
            )
            return FollowUp(.enqueue(message.message), when: states)
        case "add":
            return FollowUp(.add(try deeper.addition(detail, path: path + "add.")), when: states)
        default:
            guard let id = detail.string, !id.isEmpty else {
                throw .invalid(path + "cancel", "say the id of the job to cancel, as a string")
            }
            return FollowUp(.cancel(JobID(id)), when: states)
        }
    }

    private static func states(_ value: JSONValue, field: String) throws(Problem) -> FinalStates {
        var states: FinalStates = []
        for item in value.elements ?? [value] {
            guard let name = item.string, let state = JobState(rawValue: name), state.isFinal else {
                throw .invalid(field, "\(field) must be one of \(FinalStates.all.names.joined(separator: ", ")), or an array of them")
            }
            states.formUnion(FinalStates(state))
        }
        guard !states.isEmpty else { throw .invalid(field, "\(field) is empty: leave it out for all ends") }
        return states
    }

    /// `{"key", "step", "at", "n"?, "then"?, "lifetime"?}`
    /// - Parameter key: the counter, where the path says it.
    func addition(_ value: JSONValue, key: String? = nil, path: String) throws(Problem) -> Addition {
        var object = try ObjectReader(value, path: path, isImported: isImported)
        var name = key
        if name == nil { name = try object.text("key", limit: Limits.counterName) }
        guard let name else { throw .invalid(path + "key", "say which counter this step is counted by") }
        guard let step = try object.text("step", limit: Limits.step) else {
            throw .invalid(path + "step", "say what is counted: an id that counts once")
        }
        guard let target = try object.integer("at", in: 1...Limits.counterTarget) else {
            throw .invalid(path + "at", "say what the counter counts up to")
        }
        let amount = try object.integer("n", in: 0...Limits.counterTarget) ?? 1
        let lifetime = try object.duration("lifetime", in: .milliseconds(1)...Limits.longestDuration)
        let then = try read(object.value("then"), field: path + "then", hasEnds: false).map(\.operation)
        try object.finish()
        return Addition(key: .counter(name), step: step, amount: amount, target: target, then: then, lifetime: lifetime)
    }
}
