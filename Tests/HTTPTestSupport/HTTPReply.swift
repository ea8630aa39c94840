import GodwitCore
package import GodwitHTTP

/// An answer as it came.
package struct HTTPReply: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8] = []

    init(head: String) throws {
        var lines = head.split(separator: "\r\n")[...]
        guard let first = lines.popFirst(), let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw TestFailure("no status line: \(head)")
        }
        self.status = status
        headers = lines.map { line in
            let pair = line.split(separator: ":", maxSplits: 1)
            return (pair[0].lowercased(), String(pair.count > 1 ? pair[1].drop(while: { $0 == " " }) : ""))
        }
    }

    package subscript(header: String) -> String? { headers.first { $0.name == header }?.value }
    package var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; fails where it is none.
    package var json: JSONTree {
        get throws { JSONTree(try JSONValue(parsing: Bytes(body))) }
    }
}

/// JSON that a test looks into: missing members are simply absent.
package struct JSONTree: Sendable {
    package let value: JSONValue?

    package init(_ value: JSONValue?) { self.value = value }

    package subscript(name: String) -> JSONTree {
        JSONTree((try? value?.members())?.first { $0.name == name }?.value)
    }

    package subscript(index: Int) -> JSONTree {
        let elements = value?.elements ?? []
        return JSONTree(elements.indices.contains(index) ? elements[index] : nil)
    }

    package var string: String? { value?.string }
    package var int: Int? { value?.integer }
    package var double: Double? { value?.double }
    package var bool: Bool? { value?.bool }
    package var isNull: Bool { value?.isNull == true }
    package var isMissing: Bool { value == nil }
    package var count: Int { value?.elements?.count ?? 0 }
    package var elements: [JSONTree] { (value?.elements ?? []).map { JSONTree($0) } }
    package var names: [String] { ((try? value?.members()) ?? []).map(\.name) }
    /// The value as it was written.
    package var raw: String? { value?.bytes.text }
}
