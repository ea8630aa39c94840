import Foundation
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitServer
import Logging

/// All that `godwit serve` can be told: on its command line, in the environment and in a file, in this order.
///
/// A setting has one name: `--max-connections`, `GODWIT_MAX_CONNECTIONS` and `"max_connections"`.
struct ServeSettings: Sendable {
    static let config = "config", token = "token"
    static let defaultFolder = "./godwit-data"
    /// Where the defaults are.
    static let server = ServerOptions(), engine = EngineOptions()

    var data: String
    /// All that is the server's. Its files are not read yet.
    var options = ServerOptions()
    var autoCreate: Bool
    var maxQueues: Int
    /// Bytes; nil for any number.
    var maxMemory: Int?
    var maxDisk: Int?
    var acceptClock: Bool
    var logLevel: Logger.Level
    var logFormat: LogFormat
    /// The file that holds the token, if that is where it is.
    var tokenFile: String?
    /// The token itself, from the environment.
    private var token: String?
    /// What each setting is, and where it came from.
    let entries: [SettingEntry]
    /// What stands in the environment and may be meant as a setting.
    let strays: StrayVariables

    /// - Parameters:
    ///   - environment: the process's variables.
    /// - Throws: ``CommandFailure`` (`usage`) with the setting that is wrong, where it stands, and what is allowed.
    init(
        _ flags: ServeFlags,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(CommandFailure) {
        let given = flags.given
        var path = SettingReader(flags: given, environment: environment, file: nil)
        let file = try path.read(Self.config, .text("the path of a file"))
        try self.init(
            SettingReader(
                flags: given,
                environment: environment,
                file: file.map { path throws(CommandFailure) in try SettingsFile(path: path) }
            )
        )
    }

    init(_ sources: SettingReader) throws(CommandFailure) {
        var settings = sources
        let file = SettingKind.text("the path of a file")
        // For people who look: it was read already.
        _ = try settings.read(Self.config, file, in: [.flag, .environment])
        data = try settings.read("data", .text("the path of a folder"), or: Self.defaultFolder)
        let address = try settings.read("http", .address, or: ServerAddress(host: Self.server.host, port: Self.server.port))
        options.host = address.host
        options.port = address.port
        tokenFile = try settings.read("token_file", file)
        token = try settings.read(Self.token, .secret("a token"), in: [.environment])
        // A file that the command line or the environment names comes before the variable that is the token, one that a file names after it.
        if token != nil, settings.source(of: "token_file") == .file {
            tokenFile = nil
            settings.overrule("token_file", by: Self.token)
        } else if token != nil, tokenFile != nil {
            token = nil
            settings.overrule(Self.token, by: "token_file")
        }
        options.tokenTable = try settings.read("tokens", file)
        options.watchKeys = try settings.read("watch_keys", file)
        options.tlsCertificate = try settings.read("tls_cert", file)
        options.tlsKey = try settings.read("tls_key", file)
        options.isInsecure = try settings.read("insecure", .flag, or: Self.server.isInsecure)
        options.allowedHosts = try settings.read("allow_host", .list("names of hosts"), or: [])
        options.allowedOrigins = try settings.read("allow_origin", .list("origins, such as https://app.example.com"), or: [])
        autoCreate = try settings.read("auto_create", .flag, or: Self.engine.createsQueues)
        maxQueues = try settings.read("max_queues", .positive, or: Self.engine.maxQueues)
        maxMemory = try settings.read("max_memory", .positive)
        maxDisk = try settings.read("max_disk", .positive)
        options.limits.jobBytes = try settings.read(
            "max_job_bytes",
            .integer(1...Limits.transactionBytes),
            or: Self.server.limits.jobBytes
        )
        options.maxConnections = try settings.read("max_connections", .integer(1...1_000_000), or: Self.server.maxConnections)
        options.maxConnectionsPerAddress = try settings.read("max_connections_per_address", .integer(1...1_000_000))
        options.drainTime = try settings.read("drain", .duration(.zero...ServerOptions.longestDrain), or: Self.server.drainTime)
        acceptClock = try settings.read("accept_clock", .flag, or: Self.engine.acceptsClock)
        logLevel = try settings.read("log_level", .choice, or: .info)
        logFormat = try settings.read("log_format", .choice, or: .text)
        try settings.refuseUnknown()
        strays = settings.strays
        entries = settings.entries + strays.entries
    }

    /// The server's options, the token among them.
    /// - Throws: ``CommandFailure`` when the token's file cannot be read, ``ServerError`` when the options do not go together.
    func serverOptions() throws -> ServerOptions {
        var options = options
        options.token = try Token.read(file: tokenFile, environment: token.map { [SettingReader.variable(Self.token): $0] } ?? [:])
        options.version = GodwitVersion.current
        try options.validate()
        return options
    }

    /// - Parameter options: the engine's, which are changed to these settings.
    func configure(_ options: inout EngineOptions) {
        options.createsQueues = autoCreate
        options.acceptsClock = acceptClock
        options.maxQueues = maxQueues
        options.maxMemoryBytes = maxMemory
        options.maxDiskBytes = maxDisk
    }
}
