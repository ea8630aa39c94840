import Logging
import Synchronization

/// What a logger was told.
final class LogLines: Sendable {
    private let lines = Mutex<[Logger.Metadata]>([])

    var all: [Logger.Metadata] { lines.withLock { $0 } }
    var logger: Logger { Logger(label: "lines") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        init(lines: LogLines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.lines.withLock { $0.append(event.metadata ?? [:]) } }
    }
}
