import GodwitCore
import GodwitHTTP
import HTTPTestSupport

extension HTTPReply {
    /// Whether the page shows this, its tags left out and its white space run together.
    func shows(_ words: String) -> Bool { plain.contains(words) }

    var plain: String {
        var result = "", isTag = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": isTag = true
            case ">":
                isTag = false
                result += " "
            default: if !isTag { result.unicodeScalars.append(scalar) }
            }
        }
        return result.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// The addresses of the page's links, as a browser reads them.
    var links: [String] {
        text.split(separator: "href=\"").dropFirst().map { String($0.prefix { $0 != "\"" }).replacing("&amp;", with: "&") }
    }

    /// The address of the link with these words.
    func link(_ words: String) -> String? {
        text.split(separator: "<a ").dropFirst().first { $0.prefix(400).contains(">\(words)</a>") }.flatMap { part in
            part.split(separator: "href=\"", omittingEmptySubsequences: false).dropFirst().first.map {
                String($0.prefix { $0 != "\"" }).replacing("&amp;", with: "&")
            }
        }
    }
}

extension HTTPReply {
    /// What a page that asks hands on when its button is pressed.
    var form: String {
        text.split(separator: "type=\"hidden\" name=\"").dropFirst().map { input in
            let parts = input.split(separator: "\"", omittingEmptySubsequences: false)
            return "\(parts[0])=\(PercentCoding.decoded(String(parts[2])))"
        }.joined(separator: "&")
    }

    /// The header by which a browser shows the cookie again.
    var cookie: (String, String) {
        get throws {
            guard let cookie = self["set-cookie"]?.prefix(while: { $0 != ";" }) else { throw TestFailure("no cookie: \(status)") }
            return ("Cookie", "other=1; \(cookie)")
        }
    }
}

extension TestServer {
    static let ownOrigin = "http://localhost"

    /// Sends a form, as a browser does from a page of this server.
    func press(_ path: String, _ form: String, origin: String? = ownOrigin, headers: [(String, String)] = []) async throws -> HTTPReply {
        try await send(
            "POST",
            path,
            headers: [("Content-Type", "application/x-www-form-urlencoded")] + (origin.map { [("Origin", $0)] } ?? []) + headers,
            body: form
        )
    }

    /// Shows a token once, and answers the header of the session that stands for it.
    func logIn(_ token: String) async throws -> (String, String) {
        let encoded = token.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let reply = try await press("/page/login", "token=\(encoded)")
        return try reply.cookie
    }

    /// Sends a form, and looks at where it leads to.
    func pressAndLook(_ form: String, headers: [(String, String)] = []) async throws -> HTTPReply {
        let done = try await press("/page/do", form, headers: headers)
        guard done.status == 303, let path = done["location"] else { throw TestFailure("not done: \(done.status) \(done.plain)") }
        return try await get(path, headers: headers + (done["set-cookie"] == nil ? [] : [try done.cookie]))
    }

    /// Fails a job for good and answers its id.
    func failed(_ queue: String = "q", query: String = "", message: String = "no") async throws -> String {
        let id = try await publish(queue, query: query)
        let lease = try await lease(queue)["lease"].string ?? ""
        let reply = try await post("/v1/leases/\(lease)/fail", #"{"error": "\#(message)", "retry": false}"#)
        guard reply.status == 200 else { throw TestFailure("not failed: \(reply.status) \(reply.text)") }
        return id
    }
}

extension PercentCoding {
    /// A field's value as a browser sends it: the templates write it with numeric references.
    fileprivate static func decoded(_ html: String) -> String {
        var result = "", rest = html[...]
        while let start = rest.firstRange(of: "&#x"), let end = rest[start.upperBound...].firstIndex(of: ";") {
            result += rest[..<start.lowerBound]
            if let value = UInt32(rest[start.upperBound..<end], radix: 16), let scalar = Unicode.Scalar(value) { result += String(scalar) }
            rest = rest[rest.index(after: end)...]
        }
        return encode(result + rest)
    }
}
