package import GodwitCore

/// Transactions to commit, perhaps in a session.
package struct CommitRequest: Sendable {
    package var session: SessionCommit?
    package var transactions: [Transaction]

    package init(_ transactions: [Transaction], in session: SessionCommit? = nil) {
        self.transactions = transactions
        self.session = session
    }
}

extension Wire {
    package static func encode(_ request: CommitRequest) -> [UInt8] {
        var writer = FrameWriter(.commit, capacity: request.transactions.reduce(128) { $0 + $1.wireSize })
        if let session = request.session { writer.session(session) }
        for transaction in request.transactions { writer.transaction(transaction) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeCommit(_ bytes: Bytes) throws(WireError) -> CommitRequest {
        var reader = try FrameReader(bytes, .commit)
        var request = CommitRequest([])
        while let (kind, around) = try reader.open() {
            switch kind {
            case Kind.session where request.session == nil && request.transactions.isEmpty: request.session = try reader.session()
            case Kind.session: throw reader.damaged("a session stands once, before all transactions")
            case Kind.transaction: request.transactions.append(try reader.transaction())
            default: throw reader.unknown(kind)
            }
            reader.close(around)
        }
        return request
    }
}

extension Transaction {
    /// About how many bytes it takes.
    fileprivate var wireSize: Int {
        operations.reduce(16) { size, operation in
            switch operation {
            case .complete(_, let result): size + 96 + (result?.bytes.count ?? 0)
            case .enqueue, .put, .add: size + 96 + operation.followUpSize
            default: size + 128
            }
        }
    }
}

extension FrameWriter {
    fileprivate mutating func session(_ session: SessionCommit) {
        let frame = begin(Kind.session)
        byte(session.isRepeat ? 1 : 0)
        text(session.id)
        number(session.number)
        number(session.acknowledged)
        end(frame)
    }

    fileprivate mutating func transaction(_ transaction: Transaction) {
        let frame = begin(Kind.transaction)
        count(transaction.operations.count)
        for operation in transaction.operations { self.operation(operation) }
        end(frame)
    }
}

extension FrameReader {
    fileprivate mutating func session() throws(WireError) -> SessionCommit {
        let flags = try flags(1)
        var session = SessionCommit(id: try text(), number: try number())
        session.acknowledged = try number()
        session.isRepeat = flags & 1 != 0
        return session
    }

    fileprivate mutating func transaction() throws(WireError) -> Transaction { Transaction(try operations()) }

    /// A number of operations, then so many.
    mutating func operations() throws(WireError) -> [GodwitCore.Operation] {
        let count = try count(least: WireFormat.frameHeaderBytes, weight: WireFormat.itemsOfOperation)
        var operations: [GodwitCore.Operation] = []
        operations.reserveCapacity(count)
        for _ in 0..<count { operations.append(try operation()) }
        return operations
    }
}
