import Foundation
import GodwitBench
import GodwitHTTP

/// What a bench measured, as people and programs read it.
enum BenchText {
    static func line(_ progress: BenchProgress) -> String {
        let rate = progress.seconds > 0 ? Double(max(progress.confirmed, progress.completed)) / progress.seconds : 0
        return "\(grouped(progress.confirmed)) confirmed, \(grouped(progress.completed)) delivered of \(grouped(progress.jobs)), "
            + "\(Int(progress.seconds)) s, \(grouped(Int(rate))) a second"
    }

    /// The report in one line; null is what was not measured.
    static func json(_ report: BenchReport) -> String {
        JSONWriter.text { json in
            json.object { json in
                json.key("jobs")
                json.integer(report.jobs)
                write(report.publishPerSecond, "publish_per_s", 1, &json)
                write(report.publishFirstPerSecond, "publish_first_per_s", 1, &json)
                write(report.publishLastPerSecond, "publish_last_per_s", 1, &json)
                write(report.endToEndPerSecond, "end_to_end_per_s", 1, &json)
                write(report.confirm, "confirm_us", &json)
                write(report.endToEnd, "end_to_end_us", &json)
                write(report.processorPerJob, "cpu_us_per_job", 3, &json)
                write(report.generatorPerJob, "generator_us_per_job", 3, &json)
                write(report.peakMegabytes, "peak_rss_mb", 1, &json)
                write(report.writeAmplification, "write_amplification", 3, &json)
                write(report.syncMicroseconds, "fdatasync_us_p50", 1, &json)
            }
        }
    }

    private static func write(_ value: Double?, _ name: StaticString, _ digits: Int, _ json: inout JSONWriter) {
        json.key(name)
        if let value { json.number(rounded(value, digits)) } else { json.null() }
    }

    private static func write(_ latencies: Latencies?, _ name: StaticString, _ json: inout JSONWriter) {
        json.key(name)
        json.object { json in
            write(latencies?.p50, "p50", 1, &json)
            write(latencies?.p99, "p99", 1, &json)
            write(latencies?.p999, "p999", 1, &json)
        }
    }

    static func table(_ report: BenchReport) -> [String] {
        var table = Table([("", .left), ("", .right), ("", .left)])
        func add(_ name: String, _ value: Double?, _ digits: Int, _ unit: String) {
            if let value { table.add([name, text(value, digits), unit]) }
        }
        func add(_ name: String, _ latencies: Latencies?) {
            add("\(name) p50", latencies?.p50, 0, "us")
            add("\(name) p99", latencies?.p99, 0, "us")
            add("\(name) p99.9", latencies?.p999, 0, "us")
        }
        add("jobs", Double(report.jobs), 0, "")
        add("published and confirmed", report.publishPerSecond, 0, "a second")
        add("  the first tenth", report.publishFirstPerSecond, 0, "a second")
        add("  the last tenth", report.publishLastPerSecond, 0, "a second")
        add("end to end", report.endToEndPerSecond, 0, "a second")
        add("publish to confirmation", report.confirm)
        add("publish to delivery", report.endToEnd)
        add("processor time", report.processorPerJob, 2, "us a job, kernel included")
        add("  of the generator, taken off", report.generatorPerJob, 2, "us a job")
        add("memory at most", report.peakMegabytes, 0, "MB")
        add("written for each byte published", report.writeAmplification, 2, "bytes")
        add("fdatasync p50 while idle", report.syncMicroseconds, 0, "us")
        add("opening", report.openSeconds, 3, "s")
        return Array(table.lines.dropFirst())
    }

    private static func rounded(_ value: Double, _ digits: Int) -> Double {
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        return (value * scale).rounded() / scale
    }

    private static func text(_ value: Double, _ digits: Int) -> String {
        if digits == 0 { return grouped(Int(value.rounded())) }
        let scale = (0..<digits).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int((abs(value) * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        return "\(sign)\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// A number with thin groups: 1,000,000.
    private static func grouped(_ number: Int) -> String {
        var digits = Array(String(number))
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: index)
            index -= 3
        }
        return String(digits)
    }
}
