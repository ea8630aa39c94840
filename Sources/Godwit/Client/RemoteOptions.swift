/// How a server elsewhere is reached by ``JobClient/open(_:token:remote:embedded:logger:)``.
public struct RemoteOptions: Sendable, Hashable {
    /// Whose certificates are believed, with `https://`.
    public enum TrustRoots: Sendable, Hashable {
        /// Those that the system believes.
        case system
        /// Those in a file of PEM blocks, and no others: for a server whose certificate your own authority signed.
        case file(String)
        /// Those in this PEM text, and no others.
        case pem([UInt8])
    }

    /// Whose certificates are believed, with `https://`; those that the system believes when nothing else is said.
    public var trustRoots = TrustRoots.system
    /// How long one connection may take to come about.
    public var connectTimeout: Duration = .seconds(5)
    /// How long one answer may take. A worker's wait for jobs gets it on top; a heartbeat waits at most 3/10 of its lease, for the next one comes
    /// soon. The event stream on which jobs are watched is taken for lost after 45 s without a sign of the server.
    public var requestTimeout: Duration = .seconds(15)
    /// How long a server that cannot be reached is tried again, before ``BrokerError`` `unavailable` is thrown: a restart takes a moment. It
    /// counts from the call on, however many other calls wait, too.
    public var connectPatience: Duration = .seconds(10)
    /// How long what may have been done is asked for again, before ``BrokerError`` `outcomeUnknown` is thrown; at most 5 minutes.
    public var patience: Duration = .seconds(30)

    /// What suits a server in the same network: change what does not.
    public init() {}
}
