#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

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

    /// The token in a file: its text without spaces and line ends around it.
    /// - Throws: ``ServerError`` when the file cannot be read or is empty.
    package static func readToken(file path: String) throws(ServerError) -> String {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw .options("the token file \(path) cannot be read: \(error)")
        }
        guard data.count <= 4_096, let text = String(validating: data, as: UTF8.self) else {
            throw .options("the token file \(path) holds no token: it must be one short line of text")
        }
        let token = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        guard !token.isEmpty else { throw .options("the token file \(path) is empty: write the token into it") }
        return token
    }
}
