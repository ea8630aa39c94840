import GodwitHTTP

/// A job as people read it.
enum JobText {
    /// One fact a line.
    static func lines(_ job: JSONValue) -> [String] {
        var facts: [(String, String)] = []
        func add(_ name: String, _ value: String?) {
            if let value { facts.append((name, printable(value))) }
        }
        add("id", job["id"]?.string)
        add("queue", job["queue"]?.string)
        add("name", job["name"]?.string)
        add("state", job["state"]?.string)
        add("attempt", attempt(job))
        add("group", job["group"]?.string)
        add("reason", job["reason"]?.string)
        add("progress", progress(job))
        add("created", job["created_at"]?.string)
        add("run at", job["run_at"]?.string)
        add("started", job["started_at"]?.string)
        add("finished", job["finished_at"]?.string)
        for error in job["errors"]?.elements ?? [] { add("error", self.error(error)) }
        for death in job["deaths"]?.elements ?? [] {
            let times = death["count"]?.integer ?? 1
            add("died", "in \(death["queue"]?.string ?? "-") of \(death["reason"]?.string ?? "-")" + (times > 1 ? ", \(times) times" : ""))
        }
        let width = facts.map(\.0.count).max() ?? 0
        return facts.map { name, value in
            name + String(repeating: " ", count: width - name.count + 2) + value
        }
    }

    /// One line that says where the job stands, for those who follow it.
    static func summary(_ job: JSONValue) -> String {
        var text = job["state"]?.string ?? "unknown"
        if let attempt = job["attempt"]?.integer, attempt > 1 { text += ", attempt \(self.attempt(job) ?? "\(attempt)")" }
        if job["state"]?.string == "running", let progress = progress(job) { text += ", \(progress)" }
        if let at = job["run_at"]?.string, !isFinal(job) { text += ", due \(at)" }
        if let error = job["error"] { text += ": \(self.error(error))" }
        return printable(text)
    }

    static func isFinal(_ job: JSONValue) -> Bool {
        ["succeeded", "failed", "cancelled", "expired"].contains(job["state"]?.string)
    }

    private static func attempt(_ job: JSONValue) -> String? {
        guard let attempt = job["attempt"]?.integer, let most = job["max_attempts"]?.integer else { return nil }
        return "\(attempt) of \(most)"
    }

    static func progress(_ job: JSONValue) -> String? {
        guard let progress = job["progress"], let fraction = progress["fraction"]?.double else { return nil }
        let percent = "\(Int((fraction * 100).rounded(.down))) %"
        return progress["note"]?.string.map { "\(percent) \(printable($0))" } ?? percent
    }

    static func error(_ error: JSONValue) -> String {
        let message = printable(error["message"]?.string ?? "")
        let code = error["code"]?.string.map { " (\(printable($0)))" } ?? ""
        return "attempt \(error["attempt"]?.integer ?? 0): \(message)\(code)"
    }

    /// The text in one line and without control characters: what others wrote must not steer the reader's terminal.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control where scalar == "\n" || scalar == "\r" || scalar == "\t": result += " "
            case .lineSeparator, .paragraphSeparator: result += " "
            // The marks and overrides of direction show text in another order than it has (Unicode Standard Annex 9).
            case .control,
                .format where scalar.properties.isBidiControl:
                result += "\u{fffd}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
