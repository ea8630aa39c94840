import GodwitCore
import GodwitEngine

/// A client that numbers its transactions in a session, and asks again for those whose answers it lost.
struct SessionClient {
    var id: String
    var next: UInt64 = 1
    var acknowledged: UInt64 = 0
    /// Engine time of its latest request.
    var lastUsed: Int64
    /// What it committed lately.
    var sent: [(number: UInt64, transaction: Transaction)] = []
}

extension World {
    /// A client goes on in its session for so long after its last request; later it begins another one, and asks for what it lost.
    private static let patience: Int64 = 540_000

    func commitInSession() -> SteppedEngine.Request? {
        guard !isTight else { return nil }
        if clients.count < 2 || chance(4) {
            clients = clients.suffix(1) + [SessionClient(id: "session-\(nextTicket)", lastUsed: reference.engine)]
        }
        let index = roll(clients.count)
        if chance(4) { return .endSession(clients.remove(at: index).id) }
        let isOver = reference.engine - clients[index].lastUsed > Self.patience
        if chance(35) || isOver, let (number, transaction) = pick(clients[index].sent) {
            guard isCertain(transaction, clients[index].id, number) else { return nil }
            if !isOver { clients[index].lastUsed = reference.engine }
            let acknowledged = min(clients[index].acknowledged, number - 1)
            // Now and then it is the first request that arrives, after all.
            let isForgotten = reference.refusedAt[clients[index].id].map { reference.engine - $0 > Self.patience } ?? false
            let isRepeat = isOver || isForgotten || !chance(25)
            return .commit(
                [transaction],
                SessionCommit(id: clients[index].id, number: number, acknowledged: acknowledged, isRepeat: isRepeat)
            )
        }
        guard !isOver else {
            clients.remove(at: index)
            return nil
        }
        let transactions = (0...roll(2)).compactMap { _ in numbered() }
        guard !transactions.isEmpty else { return nil }
        statistics.operations += transactions.count - 1
        let client = clients[index]
        let session = SessionCommit(id: client.id, number: client.next, acknowledged: client.acknowledged)
        clients[index].lastUsed = reference.engine
        clients[index].next += UInt64(transactions.count)
        for (offset, transaction) in transactions.enumerated() {
            clients[index].sent.append((client.next + UInt64(offset), transaction))
        }
        clients[index].sent = clients[index].sent.suffix(5)
        clients[index].acknowledged = min(client.acknowledged + UInt64(roll(3)), clients[index].next - 1)
        return .commit(transactions, session)
    }

    /// Whether it is certain what repeating a transaction comes to: one that a crash took is carried out, and its keys are looked up then.
    private func isCertain(_ transaction: Transaction, _ session: String, _ number: UInt64) -> Bool {
        guard let known = reference.live.sessions[session], known.outcomes[number] == nil, number > known.floor else { return true }
        return transaction.operations.allSatisfy { operation in
            guard case .enqueue(let message) = operation else { return true }
            return isWaitCertain(of: message.queue) && message.deduplication.map { isCertain($0, in: message.queue) } ?? true
        }
    }

    private func numbered() -> Transaction? {
        let operations = (0...roll(2)).compactMap { _ -> GodwitCore.Operation? in
            switch roll(4) {
            case 0: settlement()
            case 1: record()
            default: message().map { .enqueue($0) }
            }
        }
        return operations.isEmpty ? nil : Transaction(operations)
    }

    /// Asks what became of the latest transactions without carrying any out: one that is not known is refused.
    func sessionProbes() -> Tickets {
        clients.flatMap { client in
            client.sent.map { number, _ in
                let probe = Transaction(.put(RecordKey("probe"), value: Bytes(), expecting: .version(Version(1)), lifetime: nil))
                let acknowledged = min(client.acknowledged, number - 1)
                return ticket(.commit([probe], SessionCommit(id: client.id, number: number, acknowledged: acknowledged, isRepeat: true)))
            }
        }
    }
}
