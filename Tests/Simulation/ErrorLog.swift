import Logging
import Synchronization

/// Counts what the engine tells its operator of as errors.
final class ErrorLog: Sendable {
    private let number = Mutex(0)

    var count: Int { number.withLock { $0 } }
    fileprivate func note() { number.withLock { $0 += 1 } }

    var logger: Logger { Logger(label: "simulation") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: ErrorLog
        var logLevel = Logger.Level.error
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { log.note() }
    }
}
