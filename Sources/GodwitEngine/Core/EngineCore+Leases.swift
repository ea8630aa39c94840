import GodwitCore
import GodwitJournal

/// Leasing: which jobs a holder gets.
extension EngineCore {
    mutating func lease(_ ticket: Ticket, _ request: LeaseRequest) throws(JournalError) {
        // Who waits already comes first.
        if !state.stirredQueues.isEmpty { try serveWaiting() }
        guard let queues = try numbers(of: request.holder, ticket) else { return }
        if try deliver(ticket, request, queues) { return }
        guard request.wait > 0 else { return answerNow(ticket, .deliveries([])) }
        leaseWaits[ticket] = LeaseWait(request: request, queues: queues)
        for number in queues {
            let queue = state.queues.at(number)
            queue.pointee.waiting.append(ticket)
            state.noteBusy(queue)
        }
        waitTimers.insert(now.engine.addingClamped(request.wait), ticket)
    }

    /// The numbers of the queues that a holder names, which are made where they may be; nil when the call is answered.
    private mutating func numbers(of holder: HolderOptions, _ ticket: Ticket) throws(JournalError) -> [UInt32]? {
        if let memory = holders[holder.id], memory.version == state.queues.version, memory.names == holder.queues { return memory.numbers }
        var numbers: [UInt32] = []
        numbers.reserveCapacity(holder.queues.count)
        for name in holder.queues {
            if let number = state.queues.numbers[name] {
                numbers.append(number)
            } else if options.createsQueues {
                if let error = tooManyQueues {
                    hold(ticket, .refused(error), until: state.change)
                    return nil
                }
                numbers.append(try createQueue(name))
            } else {
                hold(ticket, .refused(.queueNotFound(name.description)), until: state.change)
                return nil
            }
        }
        // Of one queue, its name is found as quickly as the holder's.
        guard numbers.count > 1 else { return numbers }
        let turns = holders[holder.id]?.turns.flatMap { $0.count == numbers.count ? $0 : nil }
        // Who is remembered is forgotten by its closing; should nobody close, the turns of many are not worth much.
        heldNames += numbers.count - (holders[holder.id]?.names.count ?? 0)
        if holders.count > 10_000 || heldNames > 100_000 {
            holders.removeAll()
            heldNames = numbers.count
        }
        holders[holder.id] = HolderMemory(names: holder.queues, numbers: numbers, version: state.queues.version, turns: turns)
        return numbers
    }

    /// Leases what there is; answers whether there was anything.
    mutating func deliver(_ ticket: Ticket, _ request: LeaseRequest, _ queues: [UInt32]) throws(JournalError) -> Bool {
        let picks = pick(request, queues)
        guard !picks.isEmpty else { return false }
        var jobs: [LeasedJob] = [], until: UInt64 = 0, done = 0
        var batch = LeasedBatch(firstFencing: state.nextFencing, pin: pin)
        if request.isBatch { batch.items.reserveCapacity(picks.count) } else { jobs.reserveCapacity(picks.count) }
        while done < picks.count {
            let term = milliseconds(of: request.term, in: picks[done].queue)
            var end = done + 1
            while end < picks.count, milliseconds(of: request.term, in: picks[end].queue) == term { end += 1 }
            let sequences = picks[done..<end].map(\.job.sequence)
            for sequence in sequences {
                guard let entry = state.unfinishedJob(sequence) else { continue }
                until = max(until, rest(ofDelivery: sequence, entry))
            }
            let grant = Grant(
                holder: request.holder.id,
                term: term,
                endsWithProcess: request.holder.isEmbedded || term == 0,
                firstFencing: state.nextFencing,
                sequences: sequences
            )
            do { try record(.leased(grant), for: .settle) } catch {
                for pick in picks[done...] {
                    guard let entry = state.unfinishedJob(pick.job.sequence) else { continue }
                    state.queues.at(pick.queue).pointee.ready.insert(pick.job, priority: entry.pointee.priority)
                }
                if jobs.isEmpty, batch.isEmpty { throw error }
                break
            }
            done = end
            if request.isBatch {
                for sequence in sequences {
                    guard let entry = state.jobs.find(sequence) else { continue }
                    if entry.pointee.flags.contains(.hasFollowUps) { batch.followed.append(batch.count) }
                    batch.items.append(LeasedBatch.Item(sequence: sequence, message: entry.pointee.message))
                }
                continue
            }
            for (offset, sequence) in sequences.enumerated() {
                guard let entry = state.unfinishedJob(sequence) else { continue }
                jobs.append(
                    LeasedJob(
                        view: view(sequence, .unfinished(entry)),
                        fencing: grant.firstFencing + UInt64(offset),
                        remaining: term == 0 ? .max : term,
                        waited: entry.pointee.deliveries == 1 ? max(0, now.wall - entry.pointee.time) : nil
                    )
                )
            }
        }
        hold(ticket, request.isBatch ? .batch(batch) : .deliveries(jobs), until: min(until, state.change))
        return true
    }

    private func milliseconds(of term: LeaseTerm, in queue: UInt32) -> Int64 {
        switch term {
        case .queue: state.queues.at(queue).pointee.settings.lease.inMilliseconds
        case .fixed(let duration): duration.inMilliseconds
        case .holderLife: 0
        }
    }

    /// Takes up to the wanted number of jobs, of so many bytes, out of their lines, in the holder's order.
    private mutating func pick(_ request: LeaseRequest, _ queues: [UInt32]) -> [(job: ReadyJob, queue: UInt32)] {
        var picks: [(job: ReadyJob, queue: UInt32)] = [], bytes = 0
        func fits(_ head: ReadyHead) -> Bool {
            bytes += Int(head.size)
            return picks.isEmpty || bytes <= Limits.leaseBytes
        }
        switch request.holder.order {
        case .strict:
            for number in queues {
                let queue = state.queues.at(number)
                guard !queue.pointee.isPaused else { continue }
                while picks.count < request.max, let head = state.head(of: queue) {
                    guard fits(head) else { return picks }
                    queue.pointee.ready.removeFirst()
                    picks.append((head.job, number))
                }
            }
        case .weighted(let weights):
            var turns = holders[request.holder.id]?.turns ?? Turns(queues: queues.count)
            // The same holder may name others in another call.
            if turns.count != queues.count { turns = Turns(queues: queues.count) }
            // Nothing else happens meanwhile, so a head that was found is the head when its queue has its turn.
            var heads = [ReadyHead?](repeating: nil, count: queues.count)
            turns.give(weights) { index in
                let queue = state.queues.at(queues[index])
                if !queue.pointee.isPaused { heads[index] = state.head(of: queue) }
                return heads[index] != nil
            } take: { index in
                guard picks.count < request.max, let head = heads[index], fits(head) else { return nil }
                let queue = state.queues.at(queues[index])
                queue.pointee.ready.removeFirst()
                picks.append((head.job, queues[index]))
                heads[index] = state.head(of: queue)
                return heads[index] != nil
            }
            holders[request.holder.id]?.turns = turns
        }
        return picks
    }
}
