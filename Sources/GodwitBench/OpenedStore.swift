import Foundation
import Godwit
import GodwitCore
import GodwitEngine
import Logging

/// The store of a run.
struct OpenedStore: Sendable {
    let client: JobClient
    /// Where its files are, if it has any in this process.
    let folder: String?
    private let isTemporary: Bool

    static func open(_ store: BenchPlan.Store, logger: Logger) async throws -> OpenedStore {
        switch store {
        case .temporary:
            let folder = try makeTemporaryFolder()
            do {
                return OpenedStore(client: try await client(folder, logger), folder: folder, isTemporary: true)
            } catch {
                try? FileManager.default.removeItem(atPath: folder)
                throw error
            }
        case .folder(let path):
            return OpenedStore(client: try await client(path, logger), folder: path, isTemporary: false)
        case .memory:
            return OpenedStore(client: try await JobClient.open("memory:", logger: logger), folder: nil, isTemporary: false)
        case .url(let url):
            return OpenedStore(client: try await JobClient.open(url, logger: logger), folder: nil, isTemporary: false)
        }
    }

    private static func client(_ folder: String, _ logger: Logger) async throws -> JobClient {
        var options = EngineOptions()
        options.logger = logger
        return JobClient(broker: try await Engine.open(directory: folder, options: options), logger: logger)
    }

    /// A new folder in `TMPDIR`, else in `/var/tmp`, which is on a disk where `/tmp` often is memory.
    private static func makeTemporaryFolder() throws -> String {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp"
        let folder = URL(fileURLWithPath: parent, isDirectory: true).appendingPathComponent("godwit-bench-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        } catch {
            throw BrokerError(.storeFailed, "no folder can be made in \(parent): name one with --broker embedded:DIR (\(error))")
        }
        return folder.path
    }

    /// The engine that raw messages go to.
    func engine() throws -> Engine {
        guard let engine = client.broker as? Engine else {
            throw BrokerError.invalidArgument("broker", "raw messages go to an engine in this process: embedded:DIR or memory:")
        }
        return engine
    }

    func closeBroker() async { await client.close() }

    /// Closes the store and removes what was made for the run.
    func close() async {
        await client.close()
        if isTemporary, let folder { try? FileManager.default.removeItem(atPath: folder) }
    }
}
