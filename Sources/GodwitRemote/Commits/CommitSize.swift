package import GodwitCore

/// What transactions count against a request's bounds.
package struct CommitSize: Sendable, Hashable {
    package private(set) var transactions = 0
    package private(set) var operations = 0
    package private(set) var bytes = 0

    /// What may go together, or wait together.
    package enum Bound: Sendable {
        case request, waiting

        /// The outcomes of a request's transactions must all be among those that the server keeps of a session, in number and in bytes: hence
        /// the bound on operations.
        fileprivate var transactions: Int { self == .request ? 1_000 : 100_000 }
        fileprivate var operations: Int { self == .request ? 10_000 : 1_000_000 }
        fileprivate var bytes: Int { self == .request ? 4 << 20 : 128 << 20 }
    }

    package init() {}

    package init(_ parts: some Sequence<Transaction>) {
        for part in parts {
            transactions += 1
            operations += part.operations.count
            for operation in part.operations { bytes += operation.wireSize }
        }
    }

    /// Whether so much more is within the bound. What is over it alone is not kept from going alone.
    package func fits(_ more: CommitSize, in bound: Bound) -> Bool {
        transactions == 0
            || transactions + more.transactions <= bound.transactions && operations + more.operations <= bound.operations
                && bytes + more.bytes <= bound.bytes
    }

    package static func += (size: inout CommitSize, more: CommitSize) {
        size.transactions += more.transactions
        size.operations += more.operations
        size.bytes += more.bytes
    }

    package static func -= (size: inout CommitSize, less: CommitSize) {
        size.transactions -= less.transactions
        size.operations -= less.operations
        size.bytes -= less.bytes
    }
}

extension Operation {
    /// The bytes that it takes in a request, about.
    fileprivate var wireSize: Int {
        let body =
            switch self {
            case .enqueue(let message): message.size
            case .complete(_, let result): result?.bytes.count ?? 0
            case .put(let key, let value, _, _): value.count + key.name.utf8.count
            case .fail(_, let failure, _), .deadLetter(_, let failure, _): failure.message.utf8.count
            case .add: followUpSize
            case .release(_, _, _, _, let headers): headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
            case .cancel, .retry, .redrive, .forget, .delete: 0
            }
        return body + 128
    }
}

extension [Transaction] {
    /// Parts that each fit into one request.
    package func requests() -> [ArraySlice<Transaction>] {
        var parts: [ArraySlice<Transaction>] = []
        var start = startIndex, size = CommitSize()
        for index in indices {
            let more = CommitSize(CollectionOfOne(self[index]))
            if !size.fits(more, in: .request) {
                parts.append(self[start..<index])
                (start, size) = (index, CommitSize())
            }
            size += more
        }
        if start < endIndex { parts.append(self[start...]) }
        return parts
    }
}
