import NIOCore

/// A host and perhaps a port, as they stand in a `Host` header, an `Origin` and an address to listen on.
struct Authority: Hashable, Sendable {
    /// In lower case, an IPv6 address without its brackets.
    var host: String
    var port: Int?

    init(host: String, port: Int? = nil) {
        self.host = host.lowercased()
        self.port = port
    }

    /// Nil for what is no `host[:port]`.
    init?(parsing text: some StringProtocol) {
        let text = text.lowercased()
        var rest = text[...]
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { return nil }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            guard Self.isIPAddress(host) else { return nil }
            rest = rest[rest.index(after: end)...]
        } else {
            host = String(rest.prefix(while: { $0 != ":" }))
            rest = rest.dropFirst(host.count)
        }
        guard !host.isEmpty, !host.contains(where: { $0 == "/" || $0 == "@" || $0 == " " }) else { return nil }
        guard !rest.isEmpty else { return }
        guard rest.first == ":", let port = Int(rest.dropFirst()), (0...65_535).contains(port) else { return nil }
        self.port = port
    }

    var isIPAddress: Bool { Self.isIPAddress(host) }

    /// Whether it names this machine for this machine alone.
    var isLoopback: Bool {
        if host == "localhost" { return true }
        guard isIPAddress else { return false }
        return host.hasPrefix("127.") || host == "::1" || host == "0:0:0:0:0:0:0:1"
    }

    private static func isIPAddress(_ text: String) -> Bool {
        (try? SocketAddress(ipAddress: text, port: 0)) != nil
    }
}
