import Logging

/// How a server's log is written, to standard error.
enum LogFormat: String, Sendable, CaseIterable {
    case text
    /// One JSON object a line.
    case json

    /// What writes the lines of a logger.
    func handler(label: String) -> any LogHandler {
        switch self {
        case .text: StreamLogHandler.standardError(label: label)
        case .json: JSONLogHandler(label: label)
        }
    }
}
