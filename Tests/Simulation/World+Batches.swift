import GodwitCore
import GodwitEngine
import GodwitJournal

/// A leased batch in somebody's hands.
struct HeldBatch {
    var batch: LeasedBatch
    var deliveries: [ExpectedDelivery]
    var isRead = false
    var isCompleted = false
}

/// An answer whose caller has still to read what it points to.
struct LateReply {
    var pending: SteppedEngine.Pending
    var item: Reference.Open
}

/// Batches, and callers who take their time to read what they were given.
extension World {
    func publishBatch() -> (ticket: UInt64, request: SteppedEngine.Request)? {
        guard !isTight else { return nil }
        let names = chance(70) ? [pick(Self.queueNames) ?? Self.queueNames[0]] : Array(Self.queueNames.prefix(2))
        let priority = pick([0, 0, 7]) ?? 0, count = 1 + roll(6)
        guard names.allSatisfy(isWaitCertain), let queues = try? BatchQueues(names) else { return nil }
        let isTransient = usesTransients && chance(20)
        var batch = MessageBatch(to: queues, priority: UInt8(priority), isTransient: isTransient, count: count)
        var messages: [NewMessage] = []
        for _ in 0..<count {
            let index = roll(names.count), payload = payload(reference.takeNumber())
            payload.bytes.withUnsafeBytes { _ = batch.append($0, to: index) }
            messages.append(NewMessage(queue: names[index], payload: payload, priority: priority, isTransient: isTransient))
        }
        statistics.operations += count - 1
        let (ticket, request) = ticket(.publish(batch))
        reference.batches[ticket] = messages
        return (ticket, request)
    }

    func leaseBatch() -> SteppedEngine.Request? {
        guard !isTight else { return nil }
        let name = pick(Self.allQueueNames) ?? Self.queueNames[0]
        let holder = HolderOptions(id: HolderID("holder-\(roll(4))"), queues: [name], order: .strict, capacity: 1, isEmbedded: chance(25))
        return .leaseBatch(holder, max: 1 + roll(12))
    }

    func completeBatch() -> (ticket: UInt64, request: SteppedEngine.Request)? {
        guard !isTight, let index = pick(held.indices.filter { !held[$0].isCompleted }) else { return nil }
        held[index].isCompleted = true
        let (ticket, request) = ticket(.complete(held[index].batch))
        reference.completions[ticket] = held[index].deliveries.map { ($0.job.number, $0.serial) }
        return (ticket, request)
    }

    // MARK: Reading

    /// Takes answers as callers do: some read what they were given at once, some later.
    func receive() throws {
        // Of a process that has ended nobody hears any more.
        if storage.isStopped { return }
        for (ticket, pending) in engine?.takePending() ?? [] {
            if pending.isToBeRead, chance(10), let item = reference.postpone(ticket) {
                late.append(LateReply(pending: pending, item: item))
                continue
            }
            guard let reply = reply(pending) else { return }
            if case .batch(let batch, _) = reply, case .batch(let deliveries)? = reference.open[ticket]?.expected {
                held.append(HeldBatch(batch: batch, deliveries: deliveries))
            }
            if case .backup(let moment) = reply { beginBackup(moment, ticket) }
            try reference.receive(ticket, reply, mayFail: engine?.failure != nil && mayFail)
            statistics.confirmed += 1
        }
        if !held.isEmpty || !late.isEmpty, chance(isHurried ? 4 : 12) { try readLate() }
    }

    /// Callers read the journal on their own threads: what is planned for the engine must not meet them.
    private func reply(_ pending: SteppedEngine.Pending) -> SteppedEngine.Reply? {
        storage.withoutFaults { () -> SteppedEngine.Reply? in engine?.reply(pending) }
    }

    /// Reads what somebody was given some time ago.
    func readLate(all: Bool = false) throws {
        guard !storage.isStopped else { return }
        for index in held.indices where !held[index].isRead && (all || chance(60)) {
            held[index].isRead = true
            let bodies = storage.withoutFaults { () -> Result<[[UInt8]], BrokerError>? in
                do throws(BrokerError) {
                    return try (engine?.bodies(of: held[index].batch)).map { .success($0) }
                } catch {
                    return .failure(error)
                }
            }
            try compare(bodies, with: held[index].deliveries)
        }
        held.removeAll { $0.isRead && $0.isCompleted }
        // Those that nobody completes are given back with their holder.
        if held.count > 6 { held.removeFirst(held.count - 6) }
        while !late.isEmpty, all || chance(60) {
            let next = late.removeFirst()
            guard let reply = reply(next.pending) else { return }
            try reference.receive(reply, late: next.item)
        }
    }

    private func compare(_ bodies: Result<[[UInt8]], BrokerError>?, with deliveries: [ExpectedDelivery]) throws {
        switch bodies {
        case nil: return
        case .failure(let error): throw Finding("the bodies of a leased batch cannot be read: \(error)")
        case .success(let bodies):
            guard bodies.count == deliveries.count else {
                throw Finding("a leased batch has \(bodies.count) bodies, not \(deliveries.count)")
            }
            for (body, delivery) in zip(bodies, deliveries) where Bytes(body) != delivery.job.message.payload.bytes {
                throw Finding("the body of \(delivery.job.title) in a leased batch is not what was published")
            }
        }
    }
}
