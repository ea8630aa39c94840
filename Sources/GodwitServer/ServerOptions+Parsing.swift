extension ServerOptions {
    /// Reads `HOST:PORT`; `[::1]:8080` for IPv6, `:8080` for the default host, `HOST` for the default port.
    /// - Throws: ``ServerError`` for anything else.
    package static func parseAddress(_ text: String) throws(ServerError) -> ServerAddress {
        let standard = ServerOptions()
        let wrong = ServerError.options("\(text) is no address to listen on: say HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
        var host = text[...]
        var port = standard.port
        let end = text.hasPrefix("[") ? text.firstIndex(of: "]") : nil
        if let colon = text[(end ?? text.startIndex)...].lastIndex(of: ":") {
            guard let number = Int(text[text.index(after: colon)...]), (0...65_535).contains(number) else { throw wrong }
            port = number
            host = text[..<colon]
        }
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { throw wrong }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw wrong
        }
        guard !host.contains(where: { $0 == "/" || $0 == " " }) else { throw wrong }
        return ServerAddress(host: host.isEmpty ? standard.host : String(host), port: port)
    }
}
