import GodwitHTTP

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the server reads from files, and can read again while it runs: its certificate, the tokens, and what signs tickets.
final class ServerSecrets: Sendable {
    /// Nil for plain HTTP.
    let tls: TLSContext?
    /// Nil for a server that asks for no token.
    let tokens: AccessTable?
    let watchKeys: WatchKeys

    /// - Throws: ``ServerError`` that names the file which cannot be used.
    init(_ options: ServerOptions) throws(ServerError) {
        if let certificate = options.tlsCertificate, let key = options.tlsKey {
            tls = try TLSContext(certificate: certificate, key: key)
        } else {
            tls = nil
        }
        watchKeys = WatchKeys(try options.watchKeys.map { path throws(ServerError) in try Self.readKeys(path) } ?? [.random()])
        let tokens = try Self.tokens(options)
        self.tokens = options.token == nil && options.tokenTable == nil ? nil : AccessTable(tokens)
    }

    /// What came, changed or went, by its name; of a key for tickets that is a part of its hash.
    struct Changes: Hashable {
        var tokens: [String] = []
        var watchKeys: [String] = []
    }

    func reload(_ options: ServerOptions) throws(ServerError) -> Changes {
        // All are read before any is exchanged.
        let tokens = try Self.tokens(options)
        let keys = try options.watchKeys.map { path throws(ServerError) in try Self.readKeys(path) }
        try tls?.reload()
        return Changes(
            tokens: self.tokens?.replace(with: tokens) ?? [],
            watchKeys: keys.map { watchKeys.replace(with: $0) } ?? []
        )
    }

    private static func readKeys(_ path: String) throws(ServerError) -> [WatchKey] {
        let text: String
        do {
            text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
        } catch {
            throw .options("the keys for watching in \(path) cannot be read: \(error)")
        }
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
        guard !lines.isEmpty, lines.count <= 10, lines.allSatisfy({ $0.utf8.count >= WatchKey.shortest }) else {
            throw .options(
                "\(path) must hold 1 to 10 secrets, one a line, of at least \(WatchKey.shortest) characters: use `openssl rand -hex 32`"
            )
        }
        return lines.map { WatchKey(Array($0.utf8)) }
    }

    private static func tokens(_ options: ServerOptions) throws(ServerError) -> [AccessToken] {
        var tokens: [AccessToken] = []
        if let token = options.token {
            let everything = Grant(name: "default", actions: Set(JobRoutes.Action.allCases))
            tokens.append(AccessToken(digest: TokenDigest(of: token), access: everything, expiresAt: nil))
        }
        if let path = options.tokenTable {
            let others = try TokenFile.read(path)
            // Whoever takes a token's rights away in the file must not be mistaken.
            if let single = tokens.first, let twin = others.first(where: { $0.digest == single.digest }) {
                throw .options(
                    "\(twin.access.name) in the file of tokens \(path) is the token of --token-file or GODWIT_TOKEN, too, which may do everything: "
                        + "leave it out in one place"
                )
            }
            tokens += others
        }
        return tokens
    }
}
