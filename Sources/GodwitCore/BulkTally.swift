/// What became of jobs to which the same was done one by one, each for itself.
package struct BulkTally: Sendable {
    /// To how many it was done.
    package private(set) var done = 0
    /// How many stay as they are, because another job owns their claim, say: doing it to one alone tells why.
    package private(set) var refused = 0
    /// What kept some from being tried at all, a full disk, say; nil when nothing did.
    package private(set) var failure: BrokerError?

    package init(_ outcomes: [Result<OperationResult, BrokerError>]) {
        for outcome in outcomes {
            guard case .failure(let error) = outcome else {
                done += 1
                continue
            }
            switch error.code {
            // Somebody else was faster.
            case .wrongState, .jobForgotten, .jobNotFound: break
            // It alone cannot be helped now, which keeps no other one from it.
            case .keyConflict, .queueNotFound, .tooLarge, .invalidArgument, .storeCorrupt: refused += 1
            default: failure = failure ?? error
            }
        }
    }
}
