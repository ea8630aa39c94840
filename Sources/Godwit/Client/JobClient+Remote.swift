#if Remote
import Foundation
import GodwitCore
import GodwitRemote
import Logging

extension JobClient {
    /// - Throws: ``BrokerError`` (`invalidArgument`).
    static func openRemote(_ url: String, token: String?, options: RemoteOptions, logger: Logger) throws(BrokerError) -> JobClient {
        let shown = if let token { Optional(token) } else { try tokenOfEnvironment() }
        var configuration = RemoteConfiguration(url: try ServerURL(url), token: shown)
        configuration.trustRoots =
            switch options.trustRoots {
            case .system: .system
            case .file(let path): .file(path)
            case .pem(let bytes): .pem(bytes)
            }
        configuration.connectTimeout = options.connectTimeout
        configuration.requestTimeout = options.requestTimeout
        configuration.connectPatience = options.connectPatience
        configuration.patience = options.patience
        return JobClient(broker: try RemoteBroker(configuration, logger: logger), isEmbedded: false, logger: logger)
    }

    /// As for the command line: the file that `GODWIT_TOKEN_FILE` names comes before `GODWIT_TOKEN`.
    /// - Throws: ``BrokerError`` (`invalidArgument`) when the file cannot be read, or is empty.
    static func tokenOfEnvironment(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws(BrokerError) -> String? {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard let file = variable("GODWIT_TOKEN_FILE") else { return variable("GODWIT_TOKEN") }
        let text = FileManager.default.contents(atPath: file).flatMap { String(validating: $0, as: UTF8.self) }?
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard let text, !text.isEmpty else {
            throw .invalidArgument("token", "cannot read the token from \(file), which GODWIT_TOKEN_FILE names: put it alone there")
        }
        return text
    }
}
#endif
