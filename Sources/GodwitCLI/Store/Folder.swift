import Foundation
import Godwit
import GodwitEngine
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

    static func absolutePath(_ folder: String) -> String {
        URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL.path
    }
}
