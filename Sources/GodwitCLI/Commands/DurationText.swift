import ArgumentParser
import GodwitCore

/// A length of time on the command line: `200ms`, `5s`, `2m`, `1h` or `7d`.
struct DurationText: ExpressibleByArgument, Sendable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = Duration(text: argument) else { return nil }
        self.duration = duration
    }

    var text: String { duration.text }
    var defaultValueDescription: String { text }
}
