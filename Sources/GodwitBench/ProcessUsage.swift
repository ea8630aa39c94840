import Foundation

/// What this process has used so far.
struct ProcessUsage {
    /// Seconds of processor time, kernel included.
    var processor: Double
    /// Bytes that it gave to write calls, on Darwin those that went to disks; nil where the system does not say.
    var written: Int?

    /// `RUSAGE_SELF`, which each C library gives another type.
    private static let thisProcess: Int32 = 0

    static func read() -> ProcessUsage {
        var usage = rusage()
        getrusage(thisProcess, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return ProcessUsage(processor: seconds(usage.ru_utime) + seconds(usage.ru_stime), written: written())
    }

    /// The most memory that was in RAM at a time, in MB (of 1,000,000 bytes).
    static func peakMegabytes() -> Double {
        #if os(Linux)
        // Not ru_maxrss: a program inherits that of the process that started it.
        if let kibibytes = number(after: "VmHWM:", in: "/proc/self/status") { return Double(kibibytes) * 1_024 / 1e6 }
        #endif
        var usage = rusage()
        getrusage(thisProcess, &usage)
        #if canImport(Darwin)
        return Double(usage.ru_maxrss) / 1e6
        #else
        return Double(usage.ru_maxrss) * 1_024 / 1e6
        #endif
    }

    private static func written() -> Int? {
        #if os(Linux)
        // Not write_bytes: it counts whole folios of the page cache, of up to megabytes, for each block that is written in one.
        return number(after: "wchar:", in: "/proc/self/io")
        #elseif canImport(Darwin)
        var usage = rusage_info_v2()
        let failed = withUnsafeMutablePointer(to: &usage) {
            $0.withMemoryRebound(to: rusage_info_t?.self, capacity: 1) { proc_pid_rusage(getpid(), RUSAGE_INFO_V2, $0) }
        }
        return failed == 0 ? Int(usage.ri_diskio_byteswritten) : nil
        #else
        return nil
        #endif
    }

    #if os(Linux)
    private static func number(after name: String, in path: String) -> Int? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") where line.hasPrefix(name) {
            return line.dropFirst(name.count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first.flatMap { Int($0) }
        }
        return nil
    }
    #endif
}
