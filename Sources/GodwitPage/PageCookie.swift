import GodwitHTTP
import HTTPTypes

/// The cookies of the page: no script reads them, no other site sends them, and they are good for the page alone. They end with the browser.
package enum PageCookie {
    /// The one that stands for a session.
    package static let session = "godwit-page"
    /// The one that stands for a note, which the next page shows.
    package static let note = "godwit-note"

    /// What a request's cookie of this name says.
    static func value(of name: String, in headers: HTTPFields) -> String? {
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
    ///   - head: of the request that logs in, or does something. Its `Origin` is as the browser sees this server, behind a proxy too: where that is by
    ///     TLS, the cookie is not to be sent otherwise.
    ///   - isEncrypted: whether this server itself speaks TLS.
    static func set(_ name: String, to value: String, for head: HTTPRequest, isEncrypted: Bool) -> String {
        "\(name)=\(value)\(attributes(head, isEncrypted))"
    }

    static func clear(_ name: String, for head: HTTPRequest, isEncrypted: Bool) -> String {
        "\(name)=\(attributes(head, isEncrypted)); Max-Age=0"
    }

    private static func attributes(_ head: HTTPRequest, _ isEncrypted: Bool) -> String {
        let isSecure = isEncrypted || head.headerFields[.origin]?.lowercased().hasPrefix("https://") == true
        return "; Path=\(OperatorsPage.mount); HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")"
    }
}
