#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the operating system says of this process. Nil where it does not say (the numbers come from Linux's procfs).
struct ProcessStatistics {
    /// Bytes of memory that are in RAM.
    var residentBytes: Double?
    var openFiles: Double?
    var maximumFiles: Double?
    /// Seconds of processor time, user and system.
    var processorSeconds: Double?

    static func read() -> ProcessStatistics {
        var statistics = ProcessStatistics()
        #if os(Linux)
        if let status = text("/proc/self/status") {
            for line in status.split(separator: "\n") where line.hasPrefix("VmRSS:") {
                statistics.residentBytes = line.split(separator: " ").dropFirst().first.flatMap { Double($0) }.map { $0 * 1_024 }
            }
        }
        if let limits = text("/proc/self/limits") {
            for line in limits.split(separator: "\n") where line.hasPrefix("Max open files") {
                statistics.maximumFiles = line.split(separator: " ").dropFirst(3).first.flatMap { Double($0) }
            }
        }
        // The name may hold spaces and parentheses; what follows its last one is numbers, in hundredths of a second (USER_HZ).
        if let stat = text("/proc/self/stat"), let end = stat.lastIndex(of: ")") {
            let fields = stat[end...].split(separator: " ")
            if fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) {
                statistics.processorSeconds = (user + system) / 100
            }
        }
        statistics.openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map { Double($0.count) }
        #endif
        return statistics
    }

    private static func text(_ path: String) -> String? {
        // Files of procfs have no size, so that they are read by their bytes, not mapped.
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
    }
}
