import GodwitCore
import GodwitHTTP

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The file of tokens: who may do what, and where.
///
/// ```json
/// {"tokens": [
///   {"name": "web", "sha256": "9f86d0…", "scopes": ["publish"], "queues": ["mail", "thumbnails-*"]},
///   {"name": "ops", "token": "…", "scopes": ["admin"], "expires_at": "2027-01-01T00:00:00Z"}
/// ]}
/// ```
enum TokenFile {
    private static let longest = 4 << 20
    private static let mostTokens = 10_000
    private static let shortestToken = ServerOptions.shortestToken
    /// What the log calls those who show no token of the file: the single token, a ticket, whoever comes where nobody is asked, a signal.
    private static let reservedNames: Set<String> = ["default", "ticket", "anybody", "nobody", "signal"]

    /// - Throws: ``ServerError`` that names the file and the member that is wrong.
    static func read(_ path: String) throws(ServerError) -> [AccessToken] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw .options("the file of tokens \(path) cannot be read: \(error)")
        }
        guard data.count <= longest else { throw .options("the file of tokens \(path) has more than \(longest) bytes") }
        do throws(Problem) {
            return try parse(Bytes(Array(data)))
        } catch {
            throw .options("the file of tokens \(path): \(error.field.map { "\($0): " } ?? "")\(error.detail)")
        }
    }

    static func parse(_ bytes: Bytes) throws(Problem) -> [AccessToken] {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(parsing: bytes) } catch { throw .invalidJSON(error) }
        var file = try ObjectReader(value)
        guard let items = file.value("tokens")?.elements else { throw .invalid("tokens", "write the tokens as an array") }
        try file.finish()
        guard items.count <= mostTokens else { throw .invalid("tokens", "these are \(items.count) tokens: at most \(mostTokens)") }
        var tokens: [AccessToken] = []
        var names: Set<String> = [], digests: Set<TokenDigest> = []
        for (index, item) in items.enumerated() {
            let path = "tokens[\(index)]."
            let token = try token(item, path: path)
            guard names.insert(token.access.name).inserted else {
                throw .invalid(path + "name", "two tokens are called \(token.access.name): the log could not tell them apart")
            }
            guard !reservedNames.contains(token.access.name) else {
                throw .invalid(path + "name", "the log calls somebody else \(token.access.name): choose another name")
            }
            guard digests.insert(token.digest).inserted else { throw .invalid(path + "token", "this token stands in the file twice") }
            tokens.append(token)
        }
        return tokens
    }

    private static func token(_ value: JSONValue, path: String) throws(Problem) -> AccessToken {
        var object = try ObjectReader(value, path: path)
        guard let name = try object.text("name", limit: 100), !name.isEmpty else {
            throw .invalid(path + "name", "say what the token is called in the log")
        }
        let plain = try object.text("token", limit: 4_096), hash = try object.text("sha256", limit: 64)
        let scopes = object.value("scopes"), queues = object.value("queues")
        let expiresAt = try object.time("expires_at")
        try object.finish()
        return AccessToken(
            digest: try digest(plain, hash, path: path),
            access: Grant(
                name: name,
                actions: try actions(scopes, field: path + "scopes"),
                queues: try patterns(queues, field: path + "queues")
            ),
            expiresAt: expiresAt
        )
    }

    private static func digest(_ plain: String?, _ hash: String?, path: String) throws(Problem) -> TokenDigest {
        switch (plain, hash) {
        case (let token?, nil):
            guard token.utf8.count >= shortestToken, token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw .invalid(
                    path + "token",
                    "a token needs at least \(shortestToken) printable ASCII characters and no spaces: use `openssl rand -hex 32`"
                )
            }
            return TokenDigest(of: token)
        case (nil, let hash?):
            guard let digest = TokenDigest(hexadecimal: hash) else {
                throw .invalid(path + "sha256", "write the token's SHA-256 as 64 hexadecimal digits: `printf %s TOKEN | sha256sum`")
            }
            return digest
        default: throw .invalid(path + "token", "write either the token or its sha256")
        }
    }

    private static func actions(_ value: JSONValue?, field: String) throws(Problem) -> Set<JobRoutes.Action> {
        let known: [JobRoutes.Action] = [.watch, .publish, .work, .admin]
        let wrong = Problem.invalid(field, "say what the token is for: one or more of \(known.map(\.rawValue).joined(separator: ", "))")
        guard let items = value?.elements, !items.isEmpty else { throw wrong }
        // Whoever knows a job's unguessable id may follow it.
        var actions: Set<JobRoutes.Action> = [.watch]
        for item in items {
            guard let name = item.string, let action = JobRoutes.Action(rawValue: name) else { throw wrong }
            actions.insert(action)
        }
        return actions.contains(.admin) ? Set(known) : actions
    }

    private static func patterns(_ value: JSONValue?, field: String) throws(Problem) -> [QueuePattern] {
        guard let value else { return [] }
        guard let items = value.elements, !items.isEmpty else {
            throw .invalid(field, "write the queues' names as an array, with * for any characters; leave it out for all queues")
        }
        var patterns: [QueuePattern] = []
        for item in items {
            guard let text = item.string, !text.isEmpty, text.utf8.count <= Limits.queueName else {
                throw .invalid(field, "a queue's name, or pattern, is a text of 1 to \(Limits.queueName) bytes")
            }
            patterns.append(QueuePattern(text))
        }
        return patterns
    }
}
