import GodwitHTTP
package import HTTPTypes

/// The cookies of the page: no script reads them, no other site sends them, and they are good for the page alone. They end with the browser.
package enum PageCookie {
    /// The one that stands for a session, and the one that stands for a note, which the next page shows.
    package enum Kind: String { case session = "godwit-page", note = "godwit-note" }

    /// What it is called: a browser sends a cookie to every port of a host, so each port has its own.
    package static func name(_ kind: Kind, for head: HTTPRequest) -> String {
        guard let authority = head.authority, let colon = authority.lastIndex(of: ":") else { return kind.rawValue }
        let port = authority[authority.index(after: colon)...]
        guard !port.isEmpty, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return kind.rawValue }
        return "\(kind.rawValue)-\(port)"
    }

    /// What a request's cookie of this kind says.
    static func value(of kind: Kind, in head: HTTPRequest) -> String? {
        let name = name(kind, for: head)
        for field in head.headerFields[values: .cookie] {
            for part in field.split(separator: ";") {
                let pair = part.drop(while: { $0 == " " }).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard pair.count == 2, pair[0] == name else { continue }
                return PercentCoding.decode(pair[1])
            }
        }
        return nil
    }

    /// - Parameters:
    ///   - head: of the request that logs in, or does something. Its `Origin` is as the browser sees this server, behind a proxy too: where that is by
    ///     TLS, the cookie is not to be sent otherwise.
    ///   - isEncrypted: whether this server itself speaks TLS.
    static func set(_ kind: Kind, to value: String, for head: HTTPRequest, isEncrypted: Bool) -> String {
        "\(name(kind, for: head))=\(value)\(attributes(head, isEncrypted))"
    }

    static func clear(_ kind: Kind, for head: HTTPRequest, isEncrypted: Bool) -> String {
        "\(name(kind, for: head))=\(attributes(head, isEncrypted)); Max-Age=0"
    }

    private static func attributes(_ head: HTTPRequest, _ isEncrypted: Bool) -> String {
        let isSecure = isEncrypted || head.headerFields[.origin]?.lowercased().hasPrefix("https://") == true
        return "; Path=\(OperatorsPage.mount); HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")"
    }
}
