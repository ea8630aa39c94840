/// Who gets a connection: there are so many in all, and so many for one address. Those beyond are told so, as long as they are few themselves.
struct ConnectionShares: Sendable {
    /// Connections that are told at a time that there is no place for them; each takes a descriptor for up to a second, and the store needs some,
    /// too. Where connections are few, so are these.
    static let mostRefused = 32

    enum Place: Sendable, Hashable {
        case served
        /// There are too many in all, or of this address.
        case refused(Refusal)
        /// Even those who are refused are too many.
        case dropped
    }

    enum Refusal: Sendable, Hashable { case crowd, address }

    private let limit: Int
    private let limitOfAddress: Int?
    private var served = 0
    private var refused = 0
    private var byBlock: [AddressBlock: Int] = [:]

    /// - Parameters:
    ///   - limit: of connections that are served.
    ///   - limitOfAddress: of those of one address; nil for half of all, and none for this machine's own, from where a proxy may speak for everybody.
    init(limit: Int, ofAddress limitOfAddress: Int? = nil) {
        self.limit = limit
        self.limitOfAddress = limitOfAddress
    }

    mutating func enter(_ block: AddressBlock) -> Place {
        let refusal: Refusal
        if served >= limit {
            refusal = .crowd
        } else if byBlock[block, default: 0] >= share(of: block) {
            refusal = .address
        } else {
            served += 1
            byBlock[block, default: 0] += 1
            return .served
        }
        guard refused < max(1, min(Self.mostRefused, limit / 4)) else { return .dropped }
        refused += 1
        return .refused(refusal)
    }

    /// The connection is closed.
    mutating func leave(_ block: AddressBlock, _ place: Place) {
        switch place {
        case .served:
            served -= 1
            if let count = byBlock[block] { byBlock[block] = count > 1 ? count - 1 : nil }
        case .refused: refused -= 1
        case .dropped: break
        }
    }

    private func share(of block: AddressBlock) -> Int {
        if let limitOfAddress { return limitOfAddress }
        return block.isLoopback ? limit : max(1, limit / 2)
    }
}
