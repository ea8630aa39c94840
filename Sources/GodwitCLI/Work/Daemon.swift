import Foundation
import GodwitServer
import Logging
import ServiceLifecycle
import UnixSignals

/// What daemons do: SIGHUP has the server read its certificate and its tokens again, and a service manager hears when the end begins.
struct Daemon: Service {
    let server: GodwitServer
    let logger: Logger

    /// Keeps SIGHUP from ending a process whose server does not run yet. There is nothing to read again: the server reads all when it begins.
    static func ignoreEarlyReloads() { _ = signal(SIGHUP, SIG_IGN) }

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do {
                try await server.reload()
            } catch {
                logger.error("The certificate and the tokens stay as they are", metadata: ["error": "\(error)"])
            }
        }
        ServiceManager.stopping()
    }
}
