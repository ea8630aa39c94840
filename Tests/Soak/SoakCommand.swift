import Foundation
import GodwitBench
import Logging

/// `soak FOLDER [MESSAGES [RATE [BYTES]]]`: see `dev/soak`.
@main
struct SoakCommand {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst().map { $0 }
        guard let folder = words.first, words.count <= 4 else { refuse("a folder, and at most three numbers behind it") }
        func number(_ index: Int, _ name: String, _ range: ClosedRange<Int>, _ standard: Int) -> Int {
            guard words.count > index else { return standard }
            guard let value = Int(words[index]), range.contains(value) else {
                refuse("\(name) must be \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        let logger = Logger(label: "soak") { StreamLogHandler.standardError(label: $0) }
        let soak = Soak(
            messages: number(1, "MESSAGES", 1_000...1_000_000_000, 50_000_000),
            size: number(3, "BYTES", 8...(1 << 20), 1_024),
            rate: Double(number(2, "RATE", 1_000...10_000_000, 200_000)),
            folder: folder,
            logger: logger
        )
        let report = try await soak.run { print(Self.text(of: $0)) }
        print(text(of: report))
        let amplification = report.writeAmplification ?? 0
        print(String(format: "written for each byte published: %.2f", amplification))
        print(String(format: "the folder after the stop: %.0f MB", report.folderMegabytes))
        let isGood = report.memory.isKept && report.disk.isKept && amplification <= 3
        print(isGood ? "all bounds kept" : "not all bounds were kept")
        exit(isGood ? 0 : 1)
    }

    private static func refuse(_ why: String) -> Never {
        FileHandle.standardError.write(Data("soak: \(why)\nusage: soak FOLDER [MESSAGES [RATE [BYTES]]]\n".utf8))
        exit(64)
    }

    static func text(of report: SoakReport) -> String {
        func text(_ latencies: Latencies?) -> String {
            latencies.map { String(format: "%.1f/%.1f/%.1f", $0.p50 / 1_000, $0.p99 / 1_000, $0.p999 / 1_000) } ?? "-"
        }
        func text(_ bound: SoakBound) -> String {
            String(format: "%.0f MB of %.0f, worst %.0f of %.0f", bound.megabytes, bound.bound, bound.worst, bound.worstBound)
        }
        let rate = String(format: "%.0f s: %d confirmed, %.0f a second", report.seconds, report.confirmed, report.publishedPerSecond)
        let latencies = "\(text(report.confirm)) (with upkeep \(text(report.confirmWithUpkeep)), without \(text(report.confirmWithout)))"
        return "\(rate), in ms p50/p99/p99.9 \(latencies); \(report.pending) wait, \(report.finished) kept; "
            + "memory \(text(report.memory)); disk \(text(report.disk))"
    }
}
