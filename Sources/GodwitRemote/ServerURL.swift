import Foundation
package import GodwitCore

/// `http://HOST:PORT` or `https://HOST:PORT`, perhaps with a path that the routes are mounted under.
package struct ServerURL: Sendable, Hashable, CustomStringConvertible {
    /// Without a slash at its end.
    package let description: String
    package let isEncrypted: Bool
    /// Whether it can only be this machine.
    package let isLoopback: Bool

    /// - Throws: ``BrokerError`` (`invalidArgument`, field `url`) for a text that is no such URL. A URL that carries a secret is refused, without
    ///   repeating it: URLs are logged.
    package init(_ text: String) throws(BrokerError) {
        guard let parsed = URLComponents(string: text), let scheme = parsed.scheme?.lowercased(), ["http", "https"].contains(scheme) else {
            throw Self.malformed
        }
        guard parsed.user == nil, parsed.password == nil else {
            throw .invalidArgument(
                "url",
                "leave the user and the password out of the URL, for URLs are logged: give the server's token as `token`, or in GODWIT_TOKEN"
            )
        }
        guard let host = parsed.host, !host.isEmpty, parsed.query == nil, parsed.fragment == nil,
            parsed.port.map({ (1...65_535).contains($0) }) ?? true
        else { throw Self.malformed }
        var text = text
        while text.hasSuffix("/") { text.removeLast() }
        description = text
        isEncrypted = scheme == "https"
        let name = host.lowercased()
        isLoopback = name == "localhost" || Self.isLoopbackAddress(name) || name == "::1" || name == "[::1]"
    }

    /// Whether it is one of 127.0.0.0/8; a name such as 127.0.0.1.example.com can be anybody's.
    private static func isLoopbackAddress(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { $0.allSatisfy(\.isNumber) && UInt8($0) != nil }
    }

    private static let malformed = BrokerError.invalidArgument(
        "url",
        "this is no server's URL: use one such as http://127.0.0.1:8080 or https://jobs.example.com"
    )
}
