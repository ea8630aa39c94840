import GodwitCore

extension Broker {
    /// Commits those of a request's transactions that are admitted; the outcomes of the others are their refusals. An outcome that cannot be its
    /// transaction's is said to be so, and what was done is written down.
    func commit(
        _ transactions: [Transaction],
        in session: SessionCommit?,
        _ admission: Admission,
        audit: RequestAudit
    ) async throws(BrokerError) -> [TransactionOutcome] {
        let outcomes = try await commit(transactions, in: session, but: admission.refusals(of: transactions))
        return zip(outcomes, transactions).map { outcome, transaction in
            let outcome = outcome.of(transaction)
            if case .committed(let results) = outcome { audit.note(transaction, results) }
            return outcome
        }
    }

    /// Commits transactions but those that were refused before, whose outcomes those refusals are.
    /// - Parameter refusals: by the transactions' indices.
    private func commit(
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
