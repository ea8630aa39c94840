import ArgumentParser
import Foundation
import GodwitCore

/// A command that works on a store.
protocol StoreCommand: AsyncParsableCommand {
    var output: OutputOptions { get }
}

/// Where the store is.
struct StoreOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The server. (default: $GODWIT_SERVER, else http://127.0.0.1:8080)", valueName: "url"))
    var server: String?

    @Option(
        help: ArgumentHelp(
            "A file with the bearer token that the server wants. (default: $GODWIT_TOKEN_FILE, else the token in $GODWIT_TOKEN)",
            valueName: "file"
        ),
        completion: .file()
    )
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "Trust an https:// server whose certificate these sign (PEM). (default: $GODWIT_CA_FILE, else the system's)",
            valueName: "file"
        ),
        completion: .file(extensions: ["pem", "crt"])
    )
    var caFile: String?

    @Option(
        help: ArgumentHelp("Work on this folder, which no server may hold, instead of a server.", valueName: "dir"),
        completion: .directory
    )
    var data: String?

    func validate() throws {
        guard data == nil || server == nil else {
            throw ValidationError("--data and --server exclude each other: say where the store is once")
        }
        guard data == nil || tokenFile == nil else { throw ValidationError("a folder needs no token: leave --token-file away") }
        guard data == nil || caFile == nil else { throw ValidationError("a folder has no certificate: leave --ca-file away") }
    }

    /// Opens the store for the time of `body`.
    /// - Parameters:
    ///   - connections: how many requests may be under way at a time.
    ///   - creating: whether a store that is not there is made, and its folder.
    func withStore<Value: Sendable>(connections: Int = 8, creating: Bool = false, _ body: (Store) async throws -> Value) async throws
        -> Value
    {
        let transport: any Transport
        if let data {
            transport = try await LocalTransport.open(folder: data, creating: creating)
        } else {
            let environment = ProcessInfo.processInfo.environment
            let url = server ?? environment["GODWIT_SERVER"].flatMap { $0.isEmpty ? nil : $0 } ?? "http://127.0.0.1:8080"
            let isSecure = url.lowercased().hasPrefix("https:")
            guard isSecure || caFile == nil else {
                throw CommandFailure.usage("\(url) shows no certificate: leave --ca-file away, or name an https:// server")
            }
            let trusted = caFile ?? environment["GODWIT_CA_FILE"].flatMap { $0.isEmpty ? nil : $0 }
            transport = try HTTPTransport(
                url: url,
                token: Token.read(file: tokenFile),
                caFile: isSecure ? trusted : nil,
                connections: connections
            )
        }
        do {
            let value = try await body(Store(transport: transport))
            await transport.close()
            return value
        } catch {
            await transport.close()
            throw error
        }
    }
}

/// The bearer token of a server and of its clients.
enum Token {
    /// The longest token that is taken.
    static let largest = 4_096
    /// Where the environment holds one, or says where it is.
    private static let variables = ["GODWIT_TOKEN", "GODWIT_TOKEN_FILE"]

    /// An environment for commands that are none of this program: the token is this program's own.
    static func removed(from environment: [String: String]) -> [String: String] {
        environment.filter { !variables.contains($0.key) }
    }

    /// The token in the file, else in the one that `GODWIT_TOKEN_FILE` names, else in `GODWIT_TOKEN`; nil when none of them is given.
    /// - Throws: ``CommandFailure`` (`usage`) when the file cannot be read, or what it holds cannot be a token.
    static func read(file: String?, environment: [String: String] = ProcessInfo.processInfo.environment) throws -> String? {
        let source: String
        let text: String
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let file = file ?? variable("GODWIT_TOKEN_FILE") {
            guard let bytes = FileManager.default.contents(atPath: file), let contents = String(validating: bytes, as: UTF8.self) else {
                throw CommandFailure.usage("cannot read the token from \(file): name a readable file that holds nothing but the token")
            }
            source = file
            text = contents.trimmingCharacters(in: .whitespacesAndNewlines)
        } else if let value = variable("GODWIT_TOKEN") {
            source = "GODWIT_TOKEN"
            text = value
        } else {
            return nil
        }
        guard !text.isEmpty, text.utf8.count <= largest, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw CommandFailure.usage("\(source) holds no token: use 1 to \(largest) printable ASCII characters without spaces")
        }
        return text
    }
}
