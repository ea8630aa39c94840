import Foundation
import GodwitCore
import GodwitEngine
import GodwitJournal
import Logging
import Synchronization

/// `stress SECONDS`: many callers on a real engine with its threads, which is closed or fails under them at any moment, and is opened again.
///
/// Built with the thread sanitizer it shows races; in any build, that every call returns and nothing confirmed is lost.
@main
struct Stress {
    static func main() async {
        let seconds = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 10
        let end = ContinuousClock.now + .seconds(seconds)
        var random = SplitMix64(seed: UInt64(seconds))
        var storage = MemoryStorage(), confirmed: Set<String> = [], done: Set<String> = [], rounds = 0
        while ContinuousClock.now < end {
            rounds += 1
            let round = Round(storage, number: rounds, seed: random.next())
            do {
                try await round.run()
                let known = round.known
                confirmed.formUnion(known.confirmed)
                done.formUnion(known.done)
                storage = random.next() % 2 == 0 ? storage.kill() : storage.crash(seed: random.next())
                try await Self.compare(storage.kill(), confirmed, done)
            } catch {
                FileHandle.standardError.write(Data("stress: round \(rounds): \(error)\n".utf8))
                exit(1)
            }
            // What has ended is compared once, and a store that only grows would be opened ever more slowly.
            if rounds % 20 == 0 { (storage, confirmed, done) = (MemoryStorage(), [], []) }
        }
        print("\(rounds) rounds, nothing lost")
    }

    struct Broken: Error, CustomStringConvertible {
        var description: String
    }

    private static func compare(_ storage: MemoryStorage, _ confirmed: Set<String>, _ done: Set<String>) async throws {
        let engine = try await Engine.open(storage: storage, options: Round.options())
        var states: [String: JobState] = [:], cursor: String?
        repeat {
            let page = try await engine.list(JobQuery(limit: Limits.page, cursor: cursor))
            for job in page.jobs { states[job.name ?? "?"] = job.state }
            cursor = page.next
        } while cursor != nil
        await engine.close()
        let lost = confirmed.filter { states[$0] == nil }, undone = done.filter { states[$0] != .succeeded }
        guard lost.isEmpty, undone.isEmpty else {
            throw Broken(description: "\(lost.count) confirmed jobs are lost, \(undone.count) that were completed are not")
        }
    }
}
