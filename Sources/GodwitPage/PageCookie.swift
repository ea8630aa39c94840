import GodwitHTTP
import HTTPTypes

/// The cookie that stands for a session in a browser: no script reads it, no other site sends it, and it is good for the page alone. It ends with
/// the browser.
package enum PageCookie {
    package static let name = "godwit-page"

    /// The session that a request's cookie names.
    static func session(in headers: HTTPFields) -> String? {
        for field in headers[values: .cookie] {
            for part in field.split(separator: ";") {
                let pair = part.drop(while: { $0 == " " }).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard pair.count == 2, pair[0] == name else { continue }
                return PercentCoding.decode(pair[1])
            }
        }
        return nil
    }

    /// - Parameters:
    ///   - head: of the request that logs in. Its `Origin` is as the browser sees this server, behind a proxy too: where that is by TLS, the cookie
    ///     is not to be sent otherwise.
    ///   - isEncrypted: whether this server itself speaks TLS.
    static func set(_ session: String, for head: HTTPRequest, isEncrypted: Bool) -> String {
        "\(name)=\(session)\(attributes(head, isEncrypted))"
    }

    static func clear(for head: HTTPRequest, isEncrypted: Bool) -> String { "\(name)=\(attributes(head, isEncrypted)); Max-Age=0" }

    private static func attributes(_ head: HTTPRequest, _ isEncrypted: Bool) -> String {
        let isSecure = isEncrypted || head.headerFields[.origin]?.lowercased().hasPrefix("https://") == true
        return "; Path=\(OperatorsPage.mount); HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")"
    }
}
