import Foundation
import Godwit
import GodwitEngine
import GodwitJournal
import Logging

/// A store in a folder, opened in this process.
enum Folder {
    /// Opens the folder's store, creating both when they are not there.
    /// - Parameter configure: changes the engine's options.
    /// - Returns: The client and the folder's absolute path.
    /// - Throws: ``BrokerError``: `storeLocked` names the process that has it, `storeCorrupt` the file and the offset; nothing was changed.
    static func open(
        _ folder: String,
        logger: Logger,
        configure: (inout EngineOptions) -> Void = { _ in }
    ) async throws -> (client: JobClient, path: String) {
        var options = EngineOptions()
        options.logger = logger
        configure(&options)
        let path = absolutePath(folder)
        let engine = try await Engine.open(directory: path, options: options)
        return (JobClient(broker: engine, logger: logger), path)
    }

    /// For a store that is opened for one command: the engine says what is wrong, and nothing else.
    static var quietOptions: EngineOptions {
        var options = EngineOptions()
        options.logger = quietLogger
        return options
    }

    static var quietLogger: Logger {
        var logger = Logger(label: "godwit") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        return logger
    }

    /// - Throws: ``CommandFailure`` (`unreachable`) when a folder holds nothing of a store, ``BrokerError`` (`restoreUnfinished`) when it
    ///   will be one.
    static func refuseWithoutStore(_ path: String) throws {
        let storage = FileStorage(path, isReadOnly: true)
        try StoreRestoration.refuseUnfinished(in: storage)
        // What keeps a folder from being read is for the opening to say.
        guard let names = try? storage.list() else { return }
        guard names.contains(where: { $0.hasPrefix("segment-") || $0.hasPrefix("checkpoint-") }) else {
            throw CommandFailure.noStore(path)
        }
    }

    static func absolutePath(_ folder: String) -> String {
        URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL.path
    }
}
