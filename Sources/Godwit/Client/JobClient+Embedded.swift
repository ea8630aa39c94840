import GodwitCore
import Logging

extension JobClient {
    static func open(directory: String, logger: Logger) async throws -> JobClient {
        throw BrokerError(.unsupportedURL, "the engine is not there yet")
    }

    static func openMemory(logger: Logger) async throws -> JobClient {
        throw BrokerError(.unsupportedURL, "the engine is not there yet")
    }
}
