import GodwitHTTP
import HTTPTypes

/// Whether a request that changes something was sent by a page of this very server.
///
/// The cookie alone does not say so: `SameSite` lets other ports and neighbouring domains through. Browsers say where a form came from, in `Origin`
/// or in `Sec-Fetch-Site`, and no page can forge either. What says nothing is refused: programs use the interface under `/v1`.
enum SameOrigin {
    /// - Parameter isEncrypted: whether this server speaks TLS: what another scheme's page of the same host sends is not from here.
    static func isSame(_ head: HTTPRequest, isEncrypted: Bool) -> Bool {
        if let origin = head.headerFields[.origin] {
            guard let authority = head.authority?.lowercased(), !authority.isEmpty else { return false }
            let origin = origin.lowercased()
            return origin == "https://\(authority)" || !isEncrypted && origin == "http://\(authority)"
        }
        return head.headerFields[HTTPField.Name("Sec-Fetch-Site")!]?.lowercased() == "same-origin"  // a literal token
    }

    static func check(_ head: HTTPRequest, isEncrypted: Bool) throws(Problem) {
        guard isSame(head, isEncrypted: isEncrypted) else {
            throw Problem(
                .forbidden,
                "origin_not_allowed",
                "this form was not sent by a page of this server: open the page itself and press the button there",
                field: "Origin"
            )
        }
    }
}
