#if Remote
import Foundation
import GodwitCore
import GodwitRemote
import Logging

extension JobClient {
    /// - Throws: ``BrokerError`` (`invalidArgument`).
    static func openRemote(_ url: String, token: String?, options: RemoteOptions, logger: Logger) throws(BrokerError) -> JobClient {
        var configuration = RemoteConfiguration(url: try ServerURL(url), token: token ?? tokenOfEnvironment)
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

    /// As for the command line.
    private static var tokenOfEnvironment: String? {
        ProcessInfo.processInfo.environment["GODWIT_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
    }
}
#endif
