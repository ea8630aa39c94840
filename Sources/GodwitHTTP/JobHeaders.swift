import GodwitCore
import HTTPTypes

/// The request headers that become a job's: `ce-*` (CloudEvents, as they are) and `Godwit-Header-*` (without that prefix). ``JobTrace`` adds the
/// trace context.
enum JobHeaders {
    private static let prefix = "godwit-header-"

    static func of(_ fields: HTTPFields) throws(Problem) -> [Header] {
        var headers: [Header] = []
        for field in fields {
            let name = field.name.canonicalName
            if name.hasPrefix("ce-") {
                headers.append(Header(name: name, value: field.value))
            } else if name.hasPrefix(prefix) {
                guard name.utf8.count > prefix.utf8.count else {
                    throw .invalid("Godwit-Header-", "say the header's name after Godwit-Header-")
                }
                headers.append(Header(name: String(name.dropFirst(prefix.utf8.count)), value: field.value))
            }
        }
        return try check(headers, field: "headers")
    }

    /// The member `headers` of a job or a release in JSON.
    static func read(_ object: inout ObjectReader) throws(Problem) -> [Header] {
        guard let value = object.value("headers") else { return [] }
        let path = object.path + "headers."
        let reader = try ObjectReader(value, path: path)
        var headers: [Header] = []
        for (name, value) in reader.all {
            guard let text = value.string else { throw .invalid(path + name.prefix(100), "a header's value must be a string") }
            headers.append(Header(name: name.lowercased(), value: text))
        }
        return try check(headers, field: object.path + "headers", isImported: object.isImported)
    }

    private static func check(_ headers: [Header], field: String, isImported: Bool = false) throws(Problem) -> [Header] {
        guard headers.count <= Limits.headers else {
            throw .invalid(field, "the job has \(headers.count) headers: at most \(Limits.headers) are kept with one")
        }
        let bytes = headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        guard bytes <= Limits.headerBytes else {
            throw .invalid(field, "the job's headers have \(bytes) bytes: use at most \(Limits.headerBytes)")
        }
        if isImported { return headers }
        for header in headers {
            guard header.name.isToken else {
                throw .invalid(field, "a header's name is made of letters, digits and any of !#$%&'*+-.^_`|~")
            }
            guard !header.value.hasControlCharacters else {
                throw .invalid("\(field).\(header.name)", "a header's value cannot have control characters, such as line ends")
            }
        }
        return headers
    }
}
