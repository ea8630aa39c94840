import GodwitCore

/// A counter as the model knows it.
struct ModelCounter {
    let key: RecordKey
    /// The unit that made it.
    let created: Int
    var count = 0
    let target: Int
    /// Engine time at which it ends.
    var expires: Int64
    /// The steps that were counted, while it is not full.
    var steps: Set<String> = []
    /// What follows when it is full.
    var then: [Operation]
    /// The unit that changed it last.
    var unit: Int

    var isComplete: Bool { count >= target }
    var value: CounterValue { CounterValue(count: count, target: target) }
    var subject: ModelOwed.Subject { .counter(key, created: created) }
}

/// What is to follow an end, and has not yet.
struct ModelOwed {
    enum Subject: Hashable {
        case job(Int)
        case counter(RecordKey, created: Int)
    }

    let subject: Subject
    let followUps: [FollowUp]
    /// How a job has ended, more than once if it was retried; nothing for a counter.
    var states: FinalStates
}

/// What is owed, in the order of the ends.
extension [ModelOwed] {
    /// A job ended, or ends again.
    mutating func owe(_ job: ModelJob, _ state: JobState) {
        guard !job.message.onFinal.isEmpty else { return }
        add(ModelOwed(subject: .job(job.number), followUps: job.message.onFinal, states: FinalStates(state)))
    }

    mutating func add(_ new: ModelOwed) {
        if let index = firstIndex(where: { $0.subject == new.subject }) {
            self[index].states.formUnion(new.states)
        } else {
            append(new)
        }
    }

    /// What follows some ways to end is done.
    mutating func settle(_ subject: ModelOwed.Subject, _ states: FinalStates) {
        guard let index = firstIndex(where: { $0.subject == subject }) else { return }
        self[index].states.subtract(states)
        if self[index].states.isEmpty { remove(at: index) }
    }
}
