/// A client's session, in which it numbers its transactions: one whose answer was lost can be committed again, and is answered as the first time
/// without being carried out twice.
///
/// The broker remembers the outcomes of committed transactions until the client has acknowledged them, the newest
/// ``Limits/sessionOutcomes`` at most. A session ends ``Limits/sessionLife`` after its last request. A transaction that was refused changed
/// nothing: a repetition is decided anew. What comes under its number later and is none is refused as before, while the process remembers: the newest refusals, for ten minutes.
package struct SessionCommit: Sendable, Hashable {
    /// A random text of 1 to ``Limits/sessionName`` bytes that the client draws once.
    package var id: String
    /// The number of the first transaction, from 1 on; each further one of the same commit has the next one.
    package var number: UInt64
    /// The client has the answers of all transactions up to this number.
    package var acknowledged: UInt64
    /// Whether these transactions may have been committed before: then they are not carried out where that cannot be known any more.
    package var isRepeat: Bool

    package init(id: String, number: UInt64, acknowledged: UInt64 = 0, isRepeat: Bool = false) {
        self.id = id
        self.number = number
        self.acknowledged = acknowledged
        self.isRepeat = isRepeat
    }

    /// - Throws: ``BrokerError`` (`invalidArgument`) with the field `session`.
    package func validate() throws(BrokerError) {
        guard (1...Limits.sessionName).contains(id.utf8.count) else {
            throw .invalidArgument("session", "a session's id has 1 to \(Limits.sessionName) bytes")
        }
        guard number >= 1, number < 1 << 62, acknowledged < number else {
            throw .invalidArgument(
                "session",
                "a session's numbers begin at 1, and what is acknowledged is below the first that is committed"
            )
        }
    }
}

extension BrokerError {
    /// A client's mistake: it gave two transactions one number.
    package static let sessionNumberInUse = BrokerError(
        .keyConflict,
        "this number of the session was used for another request: use a new number for a new request",
        field: "session"
    )

    /// Whether the transaction was committed is no longer known.
    package static let forgottenOutcome = BrokerError(
        .outcomeUnknown,
        "it is no longer known what became of this transaction: its session has ended, or its answer was acknowledged. Look whether it was done"
    )
}
