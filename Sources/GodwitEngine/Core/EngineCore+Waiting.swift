import GodwitCore
import GodwitJournal

/// A call for jobs that waits.
struct LeaseWait {
    var request: LeaseRequest
    var queues: [UInt32]
}

/// Calls for jobs that wait until there are some.
extension EngineCore {
    /// Gives the jobs that became ready to those who wait for them.
    mutating func serveWaiting() throws(JournalError) {
        while let number = state.stirredQueues.popLast() {
            let queue = state.queues.at(number)
            while !queue.pointee.isDeleted, !queue.pointee.isPaused, let ticket = queue.pointee.waiting.first, state.head(of: queue) != nil
            {
                guard let wait = leaseWaits[ticket] else {
                    queue.pointee.waiting.remove(ticket)
                    continue
                }
                do {
                    guard try deliver(ticket, wait.request, wait.queues) else { break }
                } catch {
                    // Without room for the record they go on waiting, and are looked at again.
                    state.stirredQueues.append(number)
                    throw error
                }
                endWait(ticket)
            }
        }
    }

    mutating func endWait(_ ticket: Ticket) {
        guard let wait = leaseWaits.removeValue(forKey: ticket) else { return }
        for number in wait.queues {
            let queue = state.queues.at(number)
            queue.pointee.waiting.remove(ticket)
            state.noteBusy(queue)
            state.queues.freeIfUnused(number)
        }
        noteWaitTimerStale()
    }

    mutating func noteWaitTimerStale() {
        waitTimers.noteStale()
        guard waitTimers.needsCompacting else { return }
        let leaseWaits = leaseWaits, watches = watches
        waitTimers.compact { leaseWaits[$0.subject] != nil || watches[$0.subject] != nil }
    }

    /// A caller is gone: what was leased for it and has not left goes back untouched.
    mutating func abandon(_ ticket: Ticket) throws(JournalError) {
        if leaseWaits[ticket] != nil {
            endWait(ticket)
            return answerNow(ticket, .deliveries([]))
        }
        if let watch = watches[ticket] {
            endWatch(ticket)
            return answerNow(ticket, .watched(watch.items.map { _ in .unchanged }))
        }
        guard let answer = takeHeld(ticket) else { return }
        guard case .deliveries(let jobs) = answer else { return hold(ticket, answer, until: state.change) }
        answerNow(ticket, .deliveries([]))
        for job in jobs where state.lease(job.view.sequence, job.fencing) != nil {
            try record(.released(Release(sequence: job.view.sequence, isCounted: false, isUntouched: true)), for: .settle)
        }
    }

    /// Queues that were deleted while somebody waits for them: whoever makes them again finds the waiting.
    mutating func moveWaits(toNew number: UInt32) {
        let queue = state.queues.at(number)
        guard let old = state.queues.awaited[queue.pointee.name] else { return }
        let tickets = state.queues.at(old).pointee.waiting.takeAll()
        for ticket in tickets {
            guard let index = leaseWaits[ticket]?.queues.firstIndex(of: old) else { continue }
            leaseWaits[ticket]?.queues[index] = number
            queue.pointee.waiting.append(ticket)
        }
        state.queues.freeIfUnused(old)
    }
}
