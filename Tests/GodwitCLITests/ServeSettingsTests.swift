import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitServer
import Logging
import Testing

@testable import GodwitCLI

@Suite("Settings of godwit serve")
struct ServeSettingsTests {
    private func settings(_ arguments: [String] = [], _ environment: [String: String] = [:], file: String? = nil) throws -> ServeSettings {
        let flags = try ServeFlags.parse(arguments)
        let file = try file.map { try SettingsFile(path: "/etc/config.json", Bytes($0)) }
        return try ServeSettings(SettingReader(flags: flags.given, environment: environment, file: file))
    }

    private func entry(_ name: String, _ settings: ServeSettings) throws -> SettingEntry {
        try #require(settings.entries.first { $0.name == name })
    }

    /// Each setting with a value that is not its default: on the command line, in the environment and in a file.
    private static let samples: [(name: String, flags: [String], variable: String, json: String, value: SettingValue)] = [
        ("data", ["--data", "/d"], "/d", #""/d""#, .text("/d")),
        ("http", ["--http", ":1234"], ":1234", #"":1234""#, .text("127.0.0.1:1234")),
        ("token_file", ["--token-file", "/t"], "/t", #""/t""#, .text("/t")),
        ("tokens", ["--tokens", "/t"], "/t", #""/t""#, .text("/t")),
        ("watch_keys", ["--watch-keys", "/w"], "/w", #""/w""#, .text("/w")),
        ("tls_cert", ["--tls-cert", "/c"], "/c", #""/c""#, .text("/c")),
        ("tls_key", ["--tls-key", "/k"], "/k", #""/k""#, .text("/k")),
        ("insecure", ["--insecure"], "yes", "true", .flag(true)),
        ("allow_host", ["--allow-host", "a", "--allow-host", "b"], "a,b", #"["a", "b"]"#, .list(["a", "b"])),
        ("allow_origin", ["--allow-origin", "http://a"], "http://a", #"["http://a"]"#, .list(["http://a"])),
        ("auto_create", ["--no-auto-create"], "false", "false", .flag(false)),
        ("max_queues", ["--max-queues", "7"], "7", "7", .integer(7)),
        ("max_memory", ["--max-memory", "7"], "7", "7", .integer(7)),
        ("max_disk", ["--max-disk", "7"], "7", "7", .integer(7)),
        ("max_job_bytes", ["--max-job-bytes", "7"], "7", "7", .integer(7)),
        ("max_connections", ["--max-connections", "7"], "7", "7", .integer(7)),
        ("max_connections_per_address", ["--max-connections-per-address", "7"], "7", "7", .integer(7)),
        ("drain", ["--drain", "250ms"], "250ms", #""250ms""#, .text("250ms")),
        ("accept_clock", ["--accept-clock"], "1", "true", .flag(true)),
        ("log_level", ["--log-level", "debug"], "debug", #""debug""#, .text("debug")),
        ("log_format", ["--log-format", "json"], "json", #""json""#, .text("json")),
    ]

    @Test("each has one name on the command line, in the environment and in a file, and the first that has it counts")
    func names() throws {
        let defaults = try settings()
        // The token has no option, and the file itself is not in the file.
        #expect(Set(defaults.entries.map(\.name)) == Set(Self.samples.map(\.name) + ["config", "token"]))
        for sample in Self.samples {
            let standard = try entry(sample.name, defaults)
            #expect(standard.source == .default && standard.origin == nil && standard.value != sample.value, "\(sample.name)")
            let variable = "GODWIT_" + sample.name.uppercased()
            let file = "{\"\(sample.name)\": \(sample.json)}"
            let fromFile = try entry(sample.name, settings(file: file))
            #expect(fromFile == SettingEntry(name: sample.name, value: sample.value, source: .file, origin: "/etc/config.json"))
            let fromEnvironment = try entry(sample.name, settings([], [variable: sample.variable], file: file))
            #expect(fromEnvironment == SettingEntry(name: sample.name, value: sample.value, source: .environment, origin: variable))
            let fromFlag = try entry(sample.name, settings(sample.flags, [variable: sample.variable], file: file))
            let option = "--" + sample.name.split(separator: "_").joined(separator: "-")
            #expect(fromFlag == SettingEntry(name: sample.name, value: sample.value, source: .flag, origin: option))
        }
    }

    @Test("a stronger source overrides with another value, and an empty variable is none")
    func precedence() throws {
        let file = #"{"max_queues": 1, "insecure": true, "drain": "1s"}"#
        let all = try settings(["--max-queues", "3", "--no-insecure"], ["GODWIT_MAX_QUEUES": "2", "GODWIT_DRAIN": ""], file: file)
        #expect(all.maxQueues == 3)
        #expect(!all.options.isInsecure)
        #expect(all.options.drainTime == .seconds(1))
        #expect(try settings([], ["GODWIT_MAX_QUEUES": "2"], file: file).maxQueues == 2)
        #expect(try settings([], [:], file: file).maxQueues == 1)
    }

    @Test("what is said reaches the server and the engine")
    func effect() throws {
        let all = try settings(Self.samples.flatMap(\.flags))
        #expect(all.data == "/d")
        #expect(all.options.host == "127.0.0.1" && all.options.port == 1_234)
        #expect(all.options.tokenTable == "/t" && all.options.watchKeys == "/w")
        #expect(all.options.tlsCertificate == "/c" && all.options.tlsKey == "/k")
        #expect(all.options.isInsecure)
        #expect(all.options.allowedHosts == ["a", "b"] && all.options.allowedOrigins == ["http://a"])
        #expect(all.options.limits.jobBytes == 7 && all.options.maxConnections == 7 && all.options.drainTime == .milliseconds(250))
        #expect(all.options.maxConnectionsPerAddress == 7)
        #expect(all.logLevel == .debug && all.logFormat == .json)
        var engine = ServeSettings.engine
        all.configure(&engine)
        #expect(!engine.createsQueues && engine.acceptsClock)
        #expect(engine.maxQueues == 7 && engine.maxMemoryBytes == 7 && engine.maxDiskBytes == 7)
    }

    @Test(
        "what is wrong is said with its name, where it stands, and what is allowed",
        arguments: [
            ([], [:], #"{"max_connections": "many"}"#, ["max_connections in /etc/config.json", "from 1 to 1000000", #"not "many""#]),
            ([], [:], #"{"max_connections": true}"#, ["max_connections in", "whole number", "not true"]),
            ([], [:], #"{"max_connections": 0}"#, ["max_connections in", "from 1", "not 0"]),
            ([], [:], #"{"max_connections": 1.5}"#, ["max_connections in", "not 1.5"]),
            ([], [:], #"{"max_queues": null}"#, ["max_queues in", "at least 1", "not null"]),
            ([], [:], #"{"insecure": 1}"#, ["insecure in", "true or false"]),
            ([], [:], #"{"drain": 5}"#, ["drain in", "a duration from 0s to 1h", "not 5"]),
            ([], [:], #"{"drain": "2h"}"#, ["drain in", "a duration from 0s to 1h", #"not "2h""#]),
            ([], [:], #"{"allow_host": "a"}"#, ["allow_host in", "names of hosts"]),
            ([], [:], #"{"allow_host": ["a", 1]}"#, ["allow_host in", "names of hosts"]),
            ([], [:], #"{"log_level": "loud"}"#, ["log_level in", "one of trace, debug"]),
            ([], [:], #"{"http": "nonsense:port"}"#, ["http in", "HOST:PORT"]),
            ([], [:], #"{"data": ""}"#, ["data in", "folder"]),
            ([], ["GODWIT_MAX_CONNECTIONS": "x"], nil, ["GODWIT_MAX_CONNECTIONS must be", "not x"]),
            ([], ["GODWIT_INSECURE": "perhaps"], nil, ["GODWIT_INSECURE must be true or false"]),
            ([], ["GODWIT_LOG_FORMAT": "xml"], nil, ["GODWIT_LOG_FORMAT must be one of text, json"]),
            (["--max-job-bytes", "0"], [:], nil, ["--max-job-bytes must be", "not 0"]),
            (["--drain", "soon"], [:], nil, ["--drain must be a duration", "not soon"]),
            ([], [:], #"{"max-connections": 1}"#, ["/etc/config.json: there is no setting max-connections: write max_connections"]),
            ([], [:], #"{"maxConnections": 1}"#, ["write max_connections"]),
            ([], [:], #"{"colour": 1}"#, ["no setting colour: the settings are accept_clock, allow_host"]),
            ([], [:], #"{"config": "/other"}"#, ["no setting config"]),
            ([], [:], #"{"drain": "1s", "drain": "2s"}"#, ["/etc/config.json, line 1:", "twice"]),
            ([], [:], "{\n\"drain\": 5s}", ["/etc/config.json, line 2:"]),
            ([], [:], "[]", ["/etc/config.json: write one object"]),
        ] as [([String], [String: String], String?, [String])]
    )
    func wrong(arguments: [String], environment: [String: String], file: String?, words: [String]) throws {
        let failure = try #require(throws: CommandFailure.self) { _ = try settings(arguments, environment, file: file) }
        #expect(failure.exit == .usage)
        for word in words { #expect(failure.message.contains(word), "\(failure.message)") }
    }

    @Test("the token is never shown, and has no place in a file or on the command line")
    func secret() throws {
        let token = "s3cr3t-0123456789abcdef"
        let all = try settings([], ["GODWIT_TOKEN": token])
        #expect(try entry("token", all).value == .secret)
        let table = SettingEntry.table(all.entries).joined(separator: "\n"), json = SettingEntry.json(all.entries)
        #expect(table.contains("(hidden)") && table.contains("environment GODWIT_TOKEN"))
        #expect(!table.contains(token) && !json.contains(token))
        #expect(try all.serverOptions().token == token)
        let failure = try #require(throws: CommandFailure.self) { _ = try settings([], [:], file: #"{"token": "\#(token)"}"#) }
        #expect(failure.message.contains("token_file") && !failure.message.contains(token))
        #expect(throws: (any Error).self) { _ = try ServeFlags.parse(["--token", token]) }
        // Words that are no token are not repeated, either.
        let bad = try #require(throws: CommandFailure.self) { _ = try settings([], ["GODWIT_TOKEN": "s3cr3t with spaces"]).serverOptions() }
        #expect(bad.message.contains("GODWIT_TOKEN") && !bad.message.contains("s3cr3t"))
    }

    @Test("a token file that is named closer at hand comes before GODWIT_TOKEN, one that a file names after it")
    func tokenOrder() throws {
        let token = ["GODWIT_TOKEN": "0123456789abcdef"], file = #"{"token_file": "/nowhere"}"#
        #expect(try settings([], token, file: file).serverOptions().token == "0123456789abcdef")
        #expect(try settings(["--token-file", "/nowhere"], token).tokenFile == "/nowhere")
        #expect(try settings([], token.merging(["GODWIT_TOKEN_FILE": "/nowhere"]) { $1 }).tokenFile == "/nowhere")
        #expect(try settings([], [:], file: file).tokenFile == "/nowhere")
        // What is not in force is said to be so.
        #expect(try entry("token", settings(["--token-file", "/nowhere"], token)).value == .none)
        let overruled = try entry("token_file", settings([], token, file: file))
        #expect(overruled.value == .none && overruled.origin == "/etc/config.json, overruled by token")
    }

    @Test("a variable that looks like a setting and is none is told of, with what may be meant")
    func strays() throws {
        let all = try settings(
            [],
            [
                "GODWIT_MAXCONNECTIONS": "5", "GODWIT_COLOUR": "s3cr3t", "GODWIT_DRAIN": "1s", "GODWIT_SERVER": "http://h",
                "GODWIT_CONFIG": "/c", "GODWIT_OPTIONS": "--json", "GODWIT_JOB_ID": "1", "GODWIT_TOKEN": "0123456789abcdef", "HOME": "/",
                "GODWIT_EMPTY": "", "GODWIT_SERVICE_HOST": "10.0.0.1", "GODWIT_PORT": "tcp://10.0.0.1:8080",
                "GODWIT_PORT_8080_TCP_PORT": "8080",
            ]
        )
        #expect(all.strays.warnings.count == 2)
        #expect(all.strays.warnings.first?.hasPrefix("GODWIT_COLOUR is no setting") == true)
        #expect(all.strays.warnings.last?.hasSuffix("is GODWIT_MAX_CONNECTIONS meant?") == true)
        let shown = try entry("GODWIT_COLOUR", all)
        #expect(shown.value == .none && shown.source == .environment && shown.origin?.contains("no setting") == true)
        #expect(!SettingEntry.json(all.entries).contains("s3cr3t"))
        #expect(try settings().strays.found.isEmpty)
    }

    @Test("as JSON each is an object under its name, with the value as a file has it")
    func json() throws {
        let all = try settings(["--max-queues", "3", "--allow-host", "a\"b"], ["GODWIT_TOKEN": "0123456789abcdef"])
        let json = try #require(JSONValue(Array(SettingEntry.json(all.entries).utf8)))
        #expect(json["max_queues"]?["value"]?.integer == 3)
        #expect(json["max_queues"]?["source"]?.string == "flag")
        #expect(json["max_queues"]?["origin"]?.string == "--max-queues")
        #expect(json["allow_host"]?["value"]?.elements?.first?.string == "a\"b")
        #expect(json["auto_create"]?["value"]?.bool == true)
        // Null reads as nothing.
        #expect(json["max_memory"] != nil && json["max_memory"]?["value"] == nil)
        #expect(json["token"]?["value"] == nil && json["token"]?["hidden"]?.bool == true)
        #expect(json["drain"]?["value"]?.string == "5s" && json["drain"]?["source"]?.string == "default")
    }
}
