import Foundation
import Godwit

/// Measures the embedded engine through its public interface, on a folder that it makes and removes; one line of JSON a figure.
@main
struct Bench {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let parent = arguments.first, arguments.count <= 2, let count = Int(arguments.dropFirst().first ?? "100000"), count >= 1_000
        else {
            FileHandle.standardError.write(Data("usage: bench FOLDER [JOBS, at least 1000 (100000)]\n".utf8))
            exit(64)
        }
        let folder = parent + "/godwit-bench-\(ProcessInfo.processInfo.processIdentifier)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let client = try await JobClient.open("embedded:\(folder)")
        let rounds = Rounds(client: client, count: count / 1_000 * 1_000)
        for figure in try await rounds.lone() { print(figure.json) }
        for concurrency in [1, 16, 64] {
            print(try await rounds.batches().json)
            print(try await rounds.work(concurrency: concurrency).json)
        }
        for figure in try await rounds.cheap() { print(figure.json) }
        await client.close()
    }
}
