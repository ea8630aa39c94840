import GodwitCore

extension Broker {
    /// Commits transactions but those that were refused before, whose outcomes those refusals are.
    /// - Parameter refusals: by the transactions' indices.
    func commit(
        _ transactions: [Transaction],
        in session: SessionCommit?,
        but refusals: [Int: TransactionOutcome]
    ) async throws(BrokerError) -> [TransactionOutcome] {
        guard !refusals.isEmpty else { return try await commit(transactions, in: session) }
        guard let session else {
            let admitted = transactions.enumerated().filter { refusals[$0.offset] == nil }.map(\.element)
            var outcomes = admitted.isEmpty ? [] : try await commit(admitted)[...]
            return transactions.indices.compactMap { refusals[$0] ?? outcomes.popFirst() }
        }
        // Every transaction keeps its number: in the place of a refused one stands one that changes nothing. What the session knows of that
        // number, since it is asked for again, is the answer all the same.
        let outcomes = try await commit(
            transactions.enumerated().map { refusals[$0.offset] == nil ? $0.element : .nothing },
            in: session
        )
        return outcomes.enumerated().map { index, outcome in
            guard let refusal = refusals[index], case .aborted(_, let error) = outcome, error.code != .outcomeUnknown else {
                return outcome
            }
            return refusal
        }
    }
}

extension Transaction {
    /// One that every broker refuses: no job has this id.
    fileprivate static let nothing = Transaction(.forget(JobID("")))
}
