/// What a run measured. Nil is what it did not do, or what the system does not say.
package struct BenchReport: Sendable {
    /// Jobs that went all the way: published and completed, only published where they are left, only completed where they were there.
    package var jobs = 0
    package var publishPerSecond: Double?
    /// Of the first and the last tenth of the jobs.
    package var publishFirstPerSecond: Double?
    package var publishLastPerSecond: Double?
    /// From the first publish (or the first request, where nothing is published) to the last confirmed completion.
    package var endToEndPerSecond: Double?
    /// From the publish to its confirmation.
    package var confirm: Latencies?
    /// From the publish to the delivery.
    package var endToEnd: Latencies?
    /// Microseconds of processor time of the whole process, kernel included, without the generator's.
    package var processorPerJob: Double?
    /// Microseconds of processor time that making, counting and timing a job costs without any store.
    package var generatorPerJob: Double?
    package var peakMegabytes: Double = 0
    /// Bytes written to the disk for each byte of payload.
    package var writeAmplification: Double?
    /// Microseconds of a write of 4 KiB to an allocated file and its sync, in the store's folder while the store is idle.
    package var syncMicroseconds: Double?
    /// Seconds that opening the store took.
    package var openSeconds: Double = 0

    package init() {}
}
