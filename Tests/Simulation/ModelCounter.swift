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
