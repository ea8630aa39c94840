import Foundation
import GodwitCore
import Testing

@testable import GodwitHTTP
@testable import GodwitServer

@Suite("Tokens and what they are for")
struct AccessTests {
    private func parse(_ text: String) throws -> [AccessToken] { try TokenFile.parse(Bytes(text)) }

    @Test("a file says who may do what, in which queues, until when")
    func file() throws {
        let tokens = try parse(
            """
            {"tokens": [
              {"name": "web", "token": "0123456789abcdef", "scopes": ["publish"], "queues": ["mail", "thumb-*"]},
              {"name": "ops", "sha256": "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08", "scopes": ["admin"],
               "expires_at": "2027-01-01T00:00:00Z"}
            ]}
            """
        )
        let table = AccessTable(tokens)
        let now = try #require(Timestamp(rfc3339: "2026-12-31T23:59:59Z"))
        let web = try #require(table.access(for: TokenDigest(of: "0123456789abcdef"), at: now))
        #expect(web.name == "web")
        #expect(web.actions == [.watch, .publish])
        #expect(try web.allows(QueueName("mail")) && web.allows(QueueName("thumb-small")))
        #expect(try !web.allows(QueueName("mails")) && !web.allows(QueueName("my-thumb-small")))
        let ops = try #require(table.access(for: TokenDigest(of: "test"), at: now))
        #expect(ops.actions == Set(JobRoutes.Action.allCases))
        #expect(ops.queues.isEmpty)
        #expect(table.access(for: TokenDigest(of: "test"), at: now + .seconds(1)) == nil, "it has expired")
        #expect(table.access(for: TokenDigest(of: "other"), at: now) == nil)
    }

    @Test("what was exchanged is named: tokens, and the keys for tickets by a part of their hashes")
    func exchangedFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "godwit-secrets-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let table = folder.appending(path: "tokens.json"), keys = folder.appending(path: "keys")
        func write(_ token: String, _ secrets: String...) throws {
            try Data(#"{"tokens": [{"name": "web", "token": "\#(token)", "scopes": ["work"]}]}"#.utf8).write(to: table)
            try Data(secrets.map { String(repeating: $0, count: 32) }.joined(separator: "\n").utf8).write(to: keys)
        }
        func name(_ secret: String) -> String { WatchKey(Array(String(repeating: secret, count: 32).utf8)).name }
        var options = ServerOptions()
        options.tokenTable = table.path(percentEncoded: false)
        options.watchKeys = keys.path(percentEncoded: false)
        try write("0123456789abcdef", "a")
        let secrets = try ServerSecrets(options)
        #expect(try secrets.reload(options) == ServerSecrets.Changes())
        try write("0123456789abcdef", "b", "a")
        #expect(try secrets.reload(options) == ServerSecrets.Changes(watchKeys: [name("b")]))
        try write("another-0123456789", "b")
        #expect(try secrets.reload(options) == ServerSecrets.Changes(tokens: ["web"], watchKeys: [name("a")]))
    }

    @Test(
        "what is wrong in a file is named",
        arguments: [
            ("[]", "body"), ("{}", "tokens"), (#"{"tokens": [{}]}"#, "tokens[0].name"), (#"{"tokens": [], "x": 1}"#, "x"),
            (#"{"tokens": [{"name": "a", "scopes": ["work"]}]}"#, "tokens[0].token"),
            (#"{"tokens": [{"name": "a", "token": "short", "scopes": ["work"]}]}"#, "tokens[0].token"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef", "sha256": "00", "scopes": ["work"]}]}"#, "tokens[0].token"),
            (#"{"tokens": [{"name": "a", "sha256": "00", "scopes": ["work"]}]}"#, "tokens[0].sha256"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": []}]}"#, "tokens[0].scopes"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["root"]}]}"#, "tokens[0].scopes"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef"}]}"#, "tokens[0].scopes"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["work"], "queues": []}]}"#, "tokens[0].queues"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["work"], "queues": [1]}]}"#, "tokens[0].queues"),
            (#"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["work"], "until": 1}]}"#, "tokens[0].until"),
            (#"{"tokens": [{"name": "default", "token": "0123456789abcdef", "scopes": ["work"]}]}"#, "tokens[0].name"),
            (#"{"tokens": [{"name": "ticket", "token": "0123456789abcdef", "scopes": ["work"]}]}"#, "tokens[0].name"),
            (
                #"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["work"]}, {"name": "a", "token": "0123456789abcdeg", "scopes": ["work"]}]}"#,
                "tokens[1].name"
            ),
            (
                #"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["work"]}, {"name": "b", "token": "0123456789abcdef", "scopes": ["work"]}]}"#,
                "tokens[1].token"
            ),
        ]
    )
    func wrong(_ text: String, _ field: String) {
        let problem = #expect(throws: Problem.self) { try parse(text) }
        #expect(problem?.field == field)
    }

    @Test(
        "a pattern's star stands for any characters",
        arguments: [
            ("mail", "mail", true), ("mail", "mail2", false), ("*", "anything", true), ("mail-*", "mail-", true), ("mail-*", "mail", false),
            ("*-mail", "a-mail", true), ("a*b*c", "aXbYc", true), ("a*b*c", "abc", true), ("a*b*c", "acb", false), ("**", "x", true),
            ("*ab", "aab", true), ("größe*", "größer", true), ("a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ]
    )
    func patterns(_ pattern: String, _ name: String, _ matches: Bool) throws {
        #expect(QueuePattern(pattern).matches(try QueueName(name)) == matches)
    }

    @Test("exchanging the tokens says which ones changed, and the old ones are good no more")
    func exchange() throws {
        let table = AccessTable(
            try parse(
                #"{"tokens": [{"name": "a", "token": "0123456789abcdef", "scopes": ["work"]}, {"name": "b", "token": "bbbbbbbbbbbbbbbb", "scopes": ["work"]}, {"name": "d", "token": "dddddddddddddddd", "scopes": ["work"]}]}"#
            )
        )
        let tenures = ["0123456789abcdef", "bbbbbbbbbbbbbbbb", "dddddddddddddddd"].compactMap {
            table.access(for: TokenDigest(of: $0), at: Timestamp(milliseconds: 0))?.tenure
        }
        let changed = table.replace(
            with: try parse(
                #"{"tokens": [{"name": "b", "token": "bbbbbbbbbbbbbbbb", "scopes": ["work", "publish"]}, {"name": "c", "token": "cccccccccccccccc", "scopes": ["work"]}, {"name": "d", "token": "dddddddddddddddd", "scopes": ["work"]}]}"#
            )
        )
        #expect(changed == ["a", "b", "c"])
        #expect(tenures.map { $0.revoked?.isSet } == [true, true, false], "what they opened ends with those that went or changed")
        let now = Timestamp(milliseconds: 0)
        #expect(table.access(for: TokenDigest(of: "0123456789abcdef"), at: now) == nil)
        #expect(table.access(for: TokenDigest(of: "bbbbbbbbbbbbbbbb"), at: now)?.actions.contains(.publish) == true)
    }
}
