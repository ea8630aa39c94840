/// One figure of one round, written as a line of JSON.
struct Measurement {
    var name: String
    var value: Double
    var unit: String

    var json: String { "{\"name\":\"\(name)\",\"value\":\(rounded),\"unit\":\"\(unit)\"}" }

    private var rounded: String { value >= 100 ? "\(Int(value.rounded()))" : "\((value * 100).rounded() / 100)" }
}

extension [Duration] {
    /// The value that the given part of all is not above.
    func quantile(_ part: Double) -> Duration {
        let sorted = sorted()
        return sorted[Swift.min(sorted.count - 1, Int(Double(sorted.count) * part))]
    }
}

extension Duration {
    var microseconds: Double { self / .microseconds(1) }
}
