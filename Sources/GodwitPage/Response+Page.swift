import GodwitHTTP
import HTTPTypes
import Hummingbird
import NIOCore

/// What stands around every page.
struct Frame: Sendable {
    let version: String
    let isLoggedIn: Bool
    /// Whether a browser can read what else the server has: it shows no token there.
    let isOpen: Bool

    init(_ environment: PageEnvironment, isLoggedIn: Bool) {
        version = environment.version
        isOpen = environment.gate == nil
        self.isLoggedIn = isLoggedIn
    }

    private static let sections = [
        ("queues", "Queues", ""), ("jobs", "Jobs", "jobs"), ("workers", "Workers", "workers"), ("schedules", "Schedules", "schedules"),
    ]

    func html(_ content: PageContent, done: String? = nil) -> String {
        var isLive = true
        if case .never = content.refresh { isLive = false }
        let sections: [View] = Self.sections.map { key, label, path in
            ["label": label, "to": Address.path(path, []), "current": key == content.section]
        }
        let head = content.head.map { Templates.render($0, content.view) }
        let foot = content.foot.map { Templates.render($0, content.view) }
        return Templates.render(
            "page",
            [
                "title": content.title, "sections": sections, "head": head ?? "", "part": content.part,
                "foot": foot ?? "", "live": isLive, "stream": content.stream.orFalse,
                "loggedIn": isLoggedIn, "open": isOpen, "version": version,
                "style": Self.style, "script": Self.script, "done": done.orFalse,
                "nav": content.template != "login",
            ]
        )
    }

    private static let style = versioned("style.css", PackageResources.style_css)
    private static let script = versioned("live.js", PackageResources.live_js)

    /// An asset's address changes with its content, so that browsers may keep it.
    private static func versioned(_ name: String, _ content: [UInt8]) -> String {
        let hash = content.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "\(OperatorsPage.mount)/\(name)?v=\(String(hash, radix: 36))"
    }
}

extension Response {
    static func page(
        _ content: PageContent,
        _ frame: Frame,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:],
        done: String? = nil
    ) -> Response {
        var response = Response(
            status: status,
            headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "no-store", .vary: "Accept"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: frame.html(content, done: done)))
        )
        for field in headers { response.headers[field.name] = field.value }
        response.guardPage()
        return response
    }

    static func redirect(_ status: HTTPResponse.Status, to path: String, headers: HTTPFields = [:]) -> Response {
        var response = Response(status: status, headers: headers)
        response.headers[.location] = path
        response.headers[.cacheControl] = "no-store"
        response.guardPage()
        return response
    }

    /// Lets the browser ask for the same page again, this time from a page of this server.
    static func again(_ path: String) -> Response {
        var response = Response(status: .ok, headers: [.contentType: "text/plain; charset=utf-8", .cacheControl: "no-store"])
        response.headers[HTTPField.Name("Refresh")!] = "0; url=\(path)"  // a literal token
        response.guardPage()
        return response
    }

    static func asset(_ content: [UInt8], type: String, isVersioned: Bool) -> Response {
        var response = Response(
            status: .ok,
            headers: [.contentType: type, .cacheControl: isVersioned ? "public, max-age=31536000, immutable" : "no-cache"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: content))
        )
        response.guardPage()
        return response
    }

    /// What keeps a page from being anything but itself: no script, style, form or frame but its own.
    mutating func guardPage() {
        headers[.contentSecurityPolicy] =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
            + "base-uri 'none'; frame-ancestors 'none'"
        headers[.xContentTypeOptions] = "nosniff"
        // Not "no-referrer": forms would say "Origin: null" then.
        headers[HTTPField.Name("Referrer-Policy")!] = "same-origin"  // a literal token
        headers[HTTPField.Name("Cross-Origin-Opener-Policy")!] = "same-origin"  // a literal token
        headers[HTTPField.Name("Cross-Origin-Resource-Policy")!] = "same-origin"  // a literal token
    }
}
