import GodwitCore

/// Writes metrics as Prometheus reads them (text format 0.0.4).
struct PrometheusText {
    enum Kind: String { case gauge, counter }
    typealias Labels = [(String, String)]

    private(set) var text = ""

    /// One metric with all its samples, which must stand together.
    mutating func metric(_ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: Labels, value: Double)]) {
        guard !samples.isEmpty else { return }
        describe(name, kind.rawValue, help)
        for sample in samples { add(name, Self.text(sample.labels), Self.format(sample.value)) }
    }

    /// Durations in seconds, in buckets that each count all that are no longer than their bound (`le`).
    mutating func histogram(_ name: String, _ help: String, _ samples: [(labels: Labels, value: DurationHistogram)]) {
        guard !samples.isEmpty else { return }
        describe(name, "histogram", help)
        for (labels, histogram) in samples {
            let labels = Self.text(labels), prefix = labels.isEmpty ? "" : labels + ","
            var count: UInt64 = 0
            for (bound, fallen) in zip(histogram.scale.bounds, histogram.counts) {
                count += fallen
                add(name + "_bucket", "\(prefix)le=\"\(Self.format(Double(bound) / 1e6))\"", String(count))
            }
            let all = String(histogram.count)
            add(name + "_bucket", prefix + "le=\"+Inf\"", all)
            add(name + "_sum", labels, Self.format(Double(histogram.sum) / 1e6))
            add(name + "_count", labels, all)
        }
    }

    private mutating func describe(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(type)\n"
    }

    private mutating func add(_ name: String, _ labels: String, _ value: String) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    private static func text(_ labels: Labels) -> String {
        labels.map { "\($0)=\"\(escaped($1, quotes: true))\"" }.joined(separator: ",")
    }

    mutating func metric(_ name: String, _ kind: Kind, _ help: String, _ value: Double?) {
        metric(name, kind, help, value.map { [(labels: [], value: $0)] } ?? [])
    }

    private static func format(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return String(whole) }
        if value.isNaN { return "NaN" }
        return value.isInfinite ? (value < 0 ? "-Inf" : "+Inf") : value.description
    }

    /// Backslashes and line ends, and in label values quotes, are escaped; everything else stands as it is.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
