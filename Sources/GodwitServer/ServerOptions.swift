package import GodwitHTTP

/// What `godwit serve` can be told. The defaults are safe: this machine alone, and no web page, can reach the server.
package struct ServerOptions: Sendable {
    package var host = "127.0.0.1"
    /// 0 takes a free one.
    package var port = 8080
    /// What clients show as `Authorization: Bearer …`, and may then do everything; nil for none.
    package var token: String?
    /// A file of more tokens, which says who may do what; it is read again when the server reloads.
    package var tokenTable: String?
    /// A file of secrets that sign tickets for watching, one a line, the one that signs first; nil for one that ends with the process. It is read again
    /// when the server reloads.
    package var watchKeys: String?
    /// The PEM files of the server's certificate and its private key: both, or none for plain HTTP. They are read again when the server reloads.
    package var tlsCertificate: String?
    package var tlsKey: String?
    /// Serve an address that others can reach without a token.
    package var isInsecure = false
    /// Names, beside `localhost` and IP addresses, that a `Host` header may have where there is no token.
    package var allowedHosts: [String] = []
    /// Origins, such as `https://app.example.com`, whose pages may use the server.
    package var allowedOrigins: [String] = []
    /// Limits of single requests.
    package var limits = JobRoutes.Limits()
    /// Bytes of all answers that are in memory at a time because their clients do not take them; beyond it larger answers are 503.
    package var maxAnswerBytes = 256 << 20
    /// Connections at a time; one more is answered 503 and closed.
    package var maxConnections = 10_000
    /// Connections of one address (in IPv6: of one network of 64 bits) at a time; nil for half of all, and for no limit of this machine's own.
    package var maxConnectionsPerAddress: Int?
    /// Bytes of one header field and of all of a request's, and how many fields there may be.
    package var maxHeaderFieldBytes = 16 << 10
    package var maxHeaderBytes = 64 << 10
    package var maxHeaderFields = 200
    /// How long a client may take to send a whole request.
    package var requestTimeout: Duration = .seconds(30)
    /// How long a connection may stand between two requests, and how long a client may refuse to take what is sent to it.
    package var idleTimeout: Duration = .seconds(75)
    /// How long the server goes on answering when it stops, `/readyz`, publishes and leases with 503, so that running jobs can be settled; less when
    /// nobody has any. Then it closes its listener.
    package var drainTime: Duration = .seconds(5)
    /// How long requests under way may take after that.
    package var shutdownTimeout: Duration = .seconds(10)
    /// What `/metrics` says.
    package var version = "0.1.0"
    /// Called once, when the server can be reached.
    package var onListening: (@Sendable (ServerAddress) async -> Void)?

    package init() {}

    /// - Throws: ``ServerError`` when the options would open the server to others without saying so, make no sense, or name files that cannot be used.
    package func validate() throws(ServerError) {
        guard (0...65_535).contains(port) else { throw .options("the port must be 0 to 65535, not \(port)") }
        guard !host.isEmpty else { throw .options("say the address to listen on, such as 127.0.0.1:8080") }
        if let token {
            guard token.utf8.count >= Self.shortestToken, token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw .options(
                    "a token needs at least \(Self.shortestToken) printable ASCII characters and no spaces: use `openssl rand -hex 32`"
                )
            }
        } else if tokenTable == nil, !isInsecure, !Authority(host: host).isLoopback {
            throw .options(
                "\(host) can be reached from other machines: give a token (--token-file or GODWIT_TOKEN) or a file of them (--tokens), "
                    + "or say --insecure if everybody who reaches it may do everything"
            )
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw .options("TLS needs a certificate and its key: give both --tls-cert and --tls-key")
        }
        guard maxConnections > 0, maxConnectionsPerAddress.map({ $0 > 0 }) ?? true else {
            throw .options("the server needs at least one connection, and so does each address")
        }
        // Read for their errors: nothing is opened for a server that cannot start.
        _ = try ServerSecrets(self)
    }

    static let shortestToken = 16
    /// The longest ``drainTime``.
    package static let longestDrain: Duration = .seconds(3_600)
}

/// Where a server can be reached.
package struct ServerAddress: Sendable, Hashable, CustomStringConvertible {
    package var host: String
    package var port: Int

    package var isSecure: Bool

    package init(host: String, port: Int, isSecure: Bool = false) {
        self.host = host
        self.port = port
        self.isSecure = isSecure
    }

    /// `HOST:PORT`, an IPv6 address in brackets.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    package var url: String { "\(isSecure ? "https" : "http")://\(self)" }
}

/// Why a server does not start, and what to do.
package struct ServerError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable { case options, addressInUse, addressUnavailable, failed }

    package var code: Code
    package var description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    static func options(_ description: String) -> ServerError { ServerError(.options, description) }
}
