package import GodwitHTTP
package import Logging
import Synchronization

/// What a logger was told.
package final class LogLines: Sendable {
    private let lines = Mutex<[Logger.Metadata]>([])

    package init() {}

    /// The metadata of each line.
    package var all: [Logger.Metadata] { lines.withLock { $0 } }
    package var logger: Logger { Logger(label: "lines") { _ in Handler(lines: self) } }
    package var audit: Audit { Audit(logger) }

    /// The audit's lines since the last time, as `act kind=subject`.
    package func takeDeeds() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines.map { line in
                let subjects = ["queue", "job", "schedule", "filter", "jobs"].compactMap { kind in line[kind].map { "\(kind)=\($0)" } }
                return (["\(line["act"] ?? "?")"] + subjects).joined(separator: " ")
            }
        }
    }

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
