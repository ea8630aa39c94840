import HTTPTypes
import Hummingbird

/// The pages and what they load: files in `Assets`, compiled into the program, so that there is nothing to install and nothing to fetch.
enum Pages {
    private static let assets: [String: (type: String, bytes: [UInt8])] = [
        "style.css": ("text/css; charset=utf-8", PackageResources.style_css),
        "icon.svg": ("image/svg+xml", PackageResources.icon_svg),
        "home.js": ("text/javascript; charset=utf-8", PackageResources.home_js),
        "follower.js": ("text/javascript; charset=utf-8", PackageResources.follower_js),
        "chart.js": ("text/javascript; charset=utf-8", PackageResources.chart_js),
        "flood.js": ("text/javascript; charset=utf-8", PackageResources.flood_js),
        "grid.js": ("text/javascript; charset=utf-8", PackageResources.grid_js),
        "live.js": ("text/javascript; charset=utf-8", PackageResources.live_js),
        "post.js": ("text/javascript; charset=utf-8", PackageResources.post_js),
        "send.js": ("text/javascript; charset=utf-8", PackageResources.send_js),
    ]

    static func add(to router: Router<some RequestContext>) {
        router.get("/") { _, _ in page(PackageResources.home_html) }
        router.get("/followers/:number") { _, context in
            _ = try context.follower()
            return page(PackageResources.follower_html)
        }
        router.get("/assets/:name") { _, context in
            guard let asset = assets[context.parameters.get("name") ?? ""] else {
                throw Problem(.notFound, "not_found", "there is no such file")
            }
            return answer(asset.bytes, type: asset.type)
        }
    }

    private static func page(_ bytes: [UInt8]) -> Response {
        var response = answer(bytes, type: "text/html; charset=utf-8")
        // Everything comes from this program: whatever a post contains, no script of others runs, and nothing is sent elsewhere.
        response.headers[.contentSecurityPolicy] = """
            default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
            base-uri 'none'; form-action 'self'; frame-ancestors 'none'
            """
        return response
    }

    private static func answer(_ bytes: [UInt8], type: String) -> Response {
        let headers: HTTPFields = [.contentType: type, .cacheControl: "no-cache", .xContentTypeOptions: "nosniff"]
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}

extension RequestContext {
    /// The number in the path: a follower's.
    func follower() throws -> Int {
        let text = parameters.get("number") ?? ""
        guard let number = Int(text), (1...FollowerGraph.people).contains(number) else {
            throw Problem(.notFound, "no_such_follower", "followers have the numbers 1 to \(FollowerGraph.people)", field: "number")
        }
        return number
    }
}
