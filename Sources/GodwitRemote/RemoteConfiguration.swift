package import GodwitCore

/// Where a server is, and how it is talked to.
package struct RemoteConfiguration: Sendable {
    /// Whose certificates are believed.
    package enum TrustRoots: Sendable, Hashable {
        /// Those that the system believes.
        case system
        /// Those in a file of PEM blocks, and no others.
        case file(String)
        /// Those in this PEM text, and no others.
        case pem([UInt8])
    }

    /// The longest token that is taken, in bytes.
    package static let longestToken = 4_096

    package var url: ServerURL
    /// What is shown as `Authorization: Bearer …`.
    package var token: String?
    package var trustRoots = TrustRoots.system
    /// How long one connection may take to come about.
    package var connectTimeout: Duration = .seconds(5)
    /// How long one answer may take. Waits for jobs get it on top; renewals, of which the next one comes soon, at most 3/10 of their lease. The
    /// event stream of watches is lost when it was silent for ``WatchTable/silence``.
    package var requestTimeout: Duration = .seconds(15)
    /// How long a connection that does not come about is tried again, for each who asks since it asked.
    package var connectPatience: Duration = .seconds(10)
    /// How long a request whose answer was lost is sent again, likewise.
    package var patience: Duration = .seconds(30)
    /// How long a stream without watches stays open.
    package var idleStream: Duration = .seconds(30)
    /// How long ``RemoteBroker/close()`` waits for the answer to a commit that is under way, and a holder that is closed for its own.
    package var closeTimeout: Duration = .seconds(5)

    package init(url: ServerURL, token: String? = nil) {
        self.url = url
        self.token = token
    }

    /// The same for a request that may take so long at most, with all its tries.
    func limited(to limit: Duration?) -> RemoteConfiguration {
        guard let limit else { return self }
        var limited = self
        limited.requestTimeout = min(requestTimeout, limit)
        limited.connectPatience = min(connectPatience, limit)
        limited.patience = min(patience, limit)
        return limited
    }

    /// - Throws: ``BrokerError`` (`invalidArgument`) that names what is wrong and what it may be.
    package func validate() throws(BrokerError) {
        if let token {
            // Never the token itself: errors are logged.
            guard (1...Self.longestToken).contains(token.utf8.count), token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw .invalidArgument("token", "a token has 1 to \(Self.longestToken) printable ASCII characters without spaces")
            }
        }
        for (field, duration) in [
            ("connectTimeout", connectTimeout), ("requestTimeout", requestTimeout), ("connectPatience", connectPatience),
            ("patience", patience),
        ] {
            guard (.milliseconds(1)...Duration.seconds(3_600)).contains(duration) else {
                throw .invalidArgument(field, "\(field) must be 1ms to 1h")
            }
        }
        // A session ends that long after its last request: beyond half of it nobody could be sure of what a repetition finds.
        guard patience <= Limits.sessionLife / 2 else {
            throw .invalidArgument("patience", "patience must be at most \((Limits.sessionLife / 2).text)")
        }
    }
}
