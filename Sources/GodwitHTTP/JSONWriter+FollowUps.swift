import GodwitCore

extension JSONWriter {
    /// What follows, as ``FollowUpJSON`` reads it.
    mutating func followUps(_ followUps: [FollowUp]) {
        array { json in
            for followUp in followUps {
                json.object { json in
                    json.operation(followUp.operation)
                    guard followUp.when != .all else { return }
                    json.key("when")
                    json.array { json in
                        for name in followUp.when.names { json.string(name) }
                    }
                }
            }
        }
    }

    private mutating func operation(_ operation: GodwitCore.Operation) {
        switch operation {
        case .enqueue(let message):
            key("enqueue")
            object { json in
                json.member("queue", message.queue.description)
                json.message(message)
            }
        case .add(let addition):
            key("add")
            object { json in
                json.member("key", addition.key.counterName ?? addition.key.name)
                json.member("step", addition.step)
                json.member("at", addition.target)
                if addition.amount != 1 { json.member("n", addition.amount) }
                if let lifetime = addition.lifetime { json.member("lifetime", lifetime.text) }
                guard !addition.then.isEmpty else { return }
                json.key("then")
                json.array { json in
                    for operation in addition.then { json.object { $0.operation(operation) } }
                }
            }
        case .cancel(let id): member("cancel", id.description)
        // Records have no face here; nobody takes this for something else.
        case .put(let key, _, _, _): member("put", key.name)
        default: break
        }
    }

    /// A job's payload and options, as a batch takes them.
    mutating func message(_ message: NewMessage) {
        content(message.payload)
        if let name = message.name { member("name", name) }
        if let key = message.deduplication?.key { member("key", key) }
        switch message.start {
        case .now: break
        case .after(let delay): member("delay", delay.text)
        case .at(let time): member("run_at", time)
        }
        if message.priority != 0 { member("priority", message.priority) }
        if let expires = message.expires { member("expires", expires.text) }
        if let timeout = message.timeout { member("timeout", timeout.text) }
        if let attempts = message.maxAttempts { member("max_attempts", attempts) }
        if let group = message.group { member("group", group) }
        if let claim = message.claim { member("claim", claim) }
        if message.isTransient { member("transient", true) }
        if !message.headers.isEmpty {
            key("headers")
            headers(message.headers)
        }
        if !message.onFinal.isEmpty {
            key("on_final")
            followUps(message.onFinal)
        }
    }
}
