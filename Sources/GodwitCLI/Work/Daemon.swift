import GodwitServer
import Logging
import ServiceLifecycle
import UnixSignals

/// What daemons do: SIGHUP has the server read its certificate and its tokens again, and a service manager hears when the end begins.
struct Daemon: Service {
    let server: GodwitServer
    let logger: Logger

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
