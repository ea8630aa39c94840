import GodwitCore

/// What came of an attempt, and what the broker is told about it.
struct Settlement: Sendable {
    enum Outcome: Sendable {
        case succeeded(Content?, followUps: [NewMessage])
        case failed(Failure, RetryDecision)
        /// Given back, uncounted: the worker shuts down.
        case released
        /// Given back before it began, as if it had not come here.
        case untouched
        /// The lease is gone: there is nothing to be told.
        case dropped(Attempt.Ending)
    }

    let attempt: Attempt
    var outcome: Outcome
    /// What the handler threw.
    var error: (any Error)?
    /// How long the attempt took.
    var took: Duration
    /// How often the broker was told, without an answer or with one that passes.
    var tries = 0

    /// Whether the broker is told anything.
    var isTold: Bool { if case .dropped = outcome { false } else { true } }

    /// What settles the job; nil when the broker is told nothing.
    var operation: Operation? {
        switch outcome {
        case .succeeded(let result, _): .complete(attempt.token, result: result)
        case .failed(let failure, let retry): .fail(attempt.token, failure, retry: retry)
        case .released: .release(attempt.token, delay: nil, counted: false)
        case .untouched: .release(attempt.token, delay: nil, counted: false, to: .untouched)
        case .dropped: nil
        }
    }

    /// The jobs that are enqueued with it.
    var followUps: [NewMessage] { if case .succeeded(_, let followUps) = outcome { followUps } else { [] } }

    /// Nil when the broker is told nothing.
    var transaction: Transaction? { operation.map { Transaction([$0] + followUps.map(Operation.enqueue)) } }

    /// To be told once more.
    var repeated: Settlement {
        var settlement = self
        settlement.tries += 1
        return settlement
    }

    /// What it counts against a commit's bytes.
    var size: Int {
        guard case .succeeded(let result, let followUps) = outcome else { return 0 }
        return followUps.reduce(result?.bytes.count ?? 0) { $0 + $1.size }
    }

    /// The settlement in place of one that the broker refused for what it contains: the attempt fails, and is not repeated, for another
    /// attempt would be refused as well. Nil when this one failed already.
    func refused(because error: BrokerError) -> Settlement? {
        guard case .succeeded = outcome else { return nil }
        let failure = Failure(message: "the job ran, but its completion was refused: \(error.message)", code: error.code.rawValue)
        return Settlement(attempt: attempt, outcome: .failed(failure, .never), error: error, took: took)
    }
}
