import GodwitCore
import GodwitEngine
import GodwitJournal
import Logging

extension JobClient {
    /// Small segments, for opening looks at all of one; large enough for the largest transaction.
    package static let memorySegmentBytes = 20 << 20

    static func open(directory: String, options embedded: EmbeddedOptions, logger: Logger) async throws(BrokerError) -> JobClient {
        var options = try embedded.engineOptions()
        options.logger = logger
        return JobClient(broker: try await Engine.open(directory: directory, options: options), logger: logger)
    }

    static func openMemory(options embedded: EmbeddedOptions, logger: Logger) async throws(BrokerError) -> JobClient {
        var options = try embedded.engineOptions()
        options.logger = logger
        options.segmentBytes = memorySegmentBytes
        return JobClient(broker: try await Engine.open(storage: MemoryStorage(), options: options), logger: logger)
    }
}
