/// Holders whose job was cancelled are told so for a while, when they ask for their lease.
extension EngineState {
    /// As many as a checkpoint has room for in its first part. Of what is cancelled beyond that its holder hears that the lease is gone.
    static let mostCancelRequests = 100_000

    mutating func requestCancel(_ fencing: UInt64, until time: Int64) {
        guard cancelRequests.count < Self.mostCancelRequests else { return }
        cancelRequests[fencing] = time
    }
}
