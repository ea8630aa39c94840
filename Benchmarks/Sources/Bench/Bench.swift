import Foundation
import Godwit

/// Measures where a queue is the wrong tool, through the public interface, on a folder that it makes and removes; one line of JSON a figure.
/// How fast the queue itself is, `godwit bench` measures.
@main
struct Bench {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let parent = arguments.first, arguments.count == 1 else {
            FileHandle.standardError.write(Data("usage: bench FOLDER\n".utf8))
            exit(64)
        }
        let folder = parent + "/godwit-bench-\(ProcessInfo.processInfo.processIdentifier)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let client = try await JobClient.open("embedded:\(folder)")
        for figure in try await CheapWork(client: client).measure() { print(figure.json) }
        await client.close()
    }
}
