/// How a server elsewhere is reached by ``JobClient/open(_:token:remote:logger:)``.
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

    public var trustRoots = TrustRoots.system
    /// How long one connection may take to come about.
    public var connectTimeout: Duration = .seconds(5)
    /// How long one answer may take. Waits for jobs, and for jobs to end, get it on top.
    public var requestTimeout: Duration = .seconds(15)
    /// How long a server that cannot be reached is tried again, before ``BrokerError`` `unavailable` is thrown: a restart takes a moment.
    public var connectPatience: Duration = .seconds(10)
    /// How long what may have been done is asked for again, before ``BrokerError`` `outcomeUnknown` is thrown; at most 5 minutes.
    public var patience: Duration = .seconds(30)

    public init() {}
}
