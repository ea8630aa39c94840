import Foundation
import GodwitServer
import Logging
import UnixSignals

/// What signals ask of a server: SIGHUP has it read its certificate, its tokens and its keys for tickets again, the first SIGTERM or
/// SIGINT begins the end, and the second one makes it come at once.
struct Daemon: Sendable {
    let server: GodwitServer
    let logger: Logger

    /// Keeps SIGHUP from ending a process whose server does not run yet. There is nothing to read again: the server reads all when it begins.
    static func ignoreEarlyReloads() { _ = signal(SIGHUP, SIG_IGN) }

    /// - Parameters:
    ///   - body: serves until it is stopped.
    ///   - stop: begins the end, and does not wait for it.
    func run(_ body: () async throws -> Void, stop: @escaping @Sendable () async -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup, .sigterm, .sigint)
        let listener = Task {
            var isStopping = false
            for await signal in signals {
                if signal == .sighup {
                    await reload()
                } else if isStopping {
                    logger.notice("Stopping at once: clients are not waited for any more")
                    server.hurry()
                } else {
                    isStopping = true
                    // The service manager hears when the end begins.
                    ServiceManager.stopping()
                    await stop()
                }
            }
        }
        defer { listener.cancel() }
        try await body()
    }

    private func reload() async {
        do {
            try await server.reload()
        } catch {
            logger.error("The certificate, the tokens and the keys for tickets stay as they are", metadata: ["error": "\(error)"])
        }
    }
}
