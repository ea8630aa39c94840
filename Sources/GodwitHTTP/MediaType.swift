import GodwitCore

/// What a body is, by its `Content-Type` and, where that says nothing, by what it is.
package enum MediaType {
    /// `application/json` and everything that ends in `+json`.
    package static func isJSON(_ type: String) -> Bool {
        let essence = essence(type)
        return essence == "application/json" || essence.hasSuffix("+json")
    }

    /// Whether it has the form of a media type, `type/subtype` (RFC 9110, section 8.3.1), so that it can be said in a header.
    static func isSayable(_ type: String) -> Bool {
        let parts = essence(type).split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { String($0).isToken } && type.utf8.allSatisfy { (0x20..<0x7f).contains($0) }
    }

    /// Whether bytes of this type are text in UTF-8, unless they turn out not to be.
    static func isText(_ type: String) -> Bool { essence(type).hasPrefix("text/") }

    /// The body as a job's payload or result.
    ///
    /// A form-typed body (what `curl -d` sends without being told) and one without a type is JSON if it parses, else text if it is UTF-8.
    /// - Throws: ``Problem`` `invalid_json` for a body that calls itself JSON and is not, and for one that is nested too deep.
    static func content(_ bytes: Bytes, type: String?) throws(Problem) -> Content {
        guard let type, !type.isEmpty, essence(type) != "application/x-www-form-urlencoded" else {
            guard !bytes.isEmpty else { return Content(bytes, type: Content.binary) }
            do throws(JSONError) {
                _ = try JSONValue(parsing: bytes, maximumDepth: JSONValue.payloadDepth)
                return Content(bytes, type: Content.json)
            } catch {
                // It is hardly meant as text.
                if error.isTooDeep { throw .invalidJSON(error, field: "body") }
                return Content(bytes, type: bytes.text == nil ? Content.binary : Content.text)
            }
        }
        guard type.utf8.count <= Limits.contentType else {
            throw .invalid("Content-Type", "the content type has \(type.utf8.count) bytes: use at most \(Limits.contentType)")
        }
        if isJSON(type) {
            do throws(JSONError) {
                _ = try JSONValue(parsing: bytes, maximumDepth: JSONValue.payloadDepth)
            } catch {
                throw .invalidJSON(error, field: "body")
            }
        }
        return Content(bytes, type: type)
    }

    /// The type without its parameters, in lower case.
    static func essence(_ type: String) -> String {
        let end = type.firstIndex(of: ";") ?? type.endIndex
        var essence = type[..<end].lowercased()[...]
        while let last = essence.last, last == " " || last == "\t" { essence.removeLast() }
        return String(essence.drop(while: { $0 == " " }))
    }
}
