import GodwitHTTP
package import HTTPTypes

/// The cookie that stands for a token in a browser: no script reads it, no other site sends it, and it goes to the page alone, never to the
/// interface under `/v1`. It ends with the browser.
package enum PageCookie {
    package static let name = "godwit-page"

    /// The token that a request's cookie carries.
    package static func token(in headers: HTTPFields) -> String? {
        for field in headers[values: .cookie] {
            for part in field.split(separator: ";") {
                let pair = part.drop(while: { $0 == " " }).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard pair.count == 2, pair[0] == name else { continue }
                return PercentCoding.decode(pair[1])
            }
        }
        return nil
    }

    /// - Parameter head: of the request that logs in. Its `Origin` is as the browser sees this server, behind a proxy too: where that is by TLS,
    ///   the cookie is not to be sent otherwise.
    static func set(_ token: String, for head: HTTPRequest) -> String { "\(name)=\(PercentCoding.encode(token))\(attributes(head))" }
    static func clear(for head: HTTPRequest) -> String { "\(name)=\(attributes(head)); Max-Age=0" }

    private static func attributes(_ head: HTTPRequest) -> String {
        let isSecure = head.headerFields[.origin]?.lowercased().hasPrefix("https://") == true || head.scheme == "https"
        return "; Path=\(OperatorsPage.mount); HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")"
    }
}
