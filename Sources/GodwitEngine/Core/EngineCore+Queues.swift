import GodwitCore
import GodwitJournal

extension EngineCore {
    mutating func configure(
        _ ticket: Ticket,
        _ name: QueueName,
        _ settings: QueueSettings,
        _ expectation: Expectation,
        startsPaused: Bool
    ) throws(JournalError) {
        let number = state.queues.numbers[name]
        let current = number.map { state.queues.at($0).pointee.settingsChange }
        let isMet =
            switch expectation {
            case .anything: true
            case .absent: current == nil
            case .version(let version): current == version.number
            }
        guard isMet else {
            let error = BrokerError(.versionConflict, "the settings of the queue \(name) are at another version: read them and try again")
            return hold(ticket, .refused(error), until: state.change)
        }
        let configured: UInt32
        if let number {
            try record(.queue(QueueChange(queue: number, name: name, settings: settings)), for: .settle)
            configured = number
        } else {
            if let error = tooManyQueues { return hold(ticket, .refused(error), until: state.change) }
            configured = try createQueue(name, settings, isPaused: startsPaused)
        }
        hold(ticket, .statuses([status(configured)]), until: state.change)
    }

    mutating func pause(_ ticket: Ticket, _ name: QueueName, _ isPaused: Bool) throws(JournalError) {
        guard let number = find(ticket, name) else { return }
        if state.queues.at(number).pointee.isPaused != isPaused { try record(.paused(queue: number, isPaused), for: .settle) }
        hold(ticket, .done, until: state.change)
    }

    mutating func purge(_ ticket: Ticket, _ name: QueueName) throws(JournalError) {
        guard let number = find(ticket, name) else { return }
        let counts = state.queues.at(number).pointee.counts
        let waiting = counts.queued + counts.scheduled + counts.retrying
        if waiting > 0 { try record(.purged(queue: number), for: .settle) }
        hold(ticket, .count(waiting), until: state.change)
    }

    mutating func delete(_ ticket: Ticket, _ name: QueueName, purging: Bool) throws(JournalError) {
        guard let number = find(ticket, name) else { return }
        let unfinished = state.queues.at(number).pointee.counts.unfinished
        guard purging || unfinished == 0 else {
            let error = BrokerError(
                .queueNotEmpty,
                "the queue \(name) has \(unfinished) unfinished jobs: let them finish, or delete it with purging"
            )
            return hold(ticket, .refused(error), until: state.change)
        }
        try record(.queueDeleted(queue: number), for: .settle)
        hold(ticket, .done, until: state.change)
    }

    private mutating func find(_ ticket: Ticket, _ name: QueueName) -> UInt32? {
        if let number = state.queues.numbers[name] { return number }
        hold(ticket, .refused(.queueNotFound(name.description)), until: state.change)
        return nil
    }
}
