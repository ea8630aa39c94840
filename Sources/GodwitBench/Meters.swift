/// The three points that a message passes.
struct Meters: Sendable {
    let confirmed: Meter
    let delivered: Meter
    let completed: Meter

    init(expected: Int) {
        confirmed = Meter(expected: expected)
        delivered = Meter(expected: expected)
        completed = Meter(expected: expected)
    }
}

/// How far a run is.
package struct BenchProgress: Sendable {
    package var jobs: Int
    package var confirmed: Int
    package var completed: Int
    package var seconds: Double
}
