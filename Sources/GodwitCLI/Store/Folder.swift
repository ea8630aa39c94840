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

    /// Opens the store of a folder that is there.
    /// - Throws: ``CommandFailure`` when there is none, else as the other one.
    static func openEngine(_ path: String) async throws -> Engine {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw CommandFailure.unreachable("there is no folder \(path): name the one that `godwit serve --data` was given")
        }
        var options = EngineOptions()
        options.logger = Logger(label: "godwit") { StreamLogHandler.standardError(label: $0) }
        options.logger.logLevel = .warning
        return try await Engine.open(directory: path, options: options)
    }

    static func absolutePath(_ folder: String) -> String {
        URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL.path
    }
}
