import Foundation
import GodwitSimulation
import Synchronization

/// `simulate`: runs seeds of the simulation, on several cores, until there are enough, time is over, or one of them found something.
@main
struct SimulateCommand {
    static func main() {
        do throws(SimulateOptions.Mistake) {
            let options = try SimulateOptions(CommandLine.arguments.dropFirst())
            if options.wantsHelp {
                print(SimulateOptions.help)
            } else if let plan = options.replayed {
                exit(replay(plan, isVerbose: options.isVerbose))
            } else {
                exit(run(options))
            }
        } catch {
            say("simulate: \(error.text)\n\n\(SimulateOptions.help)")
            exit(64)
        }
    }

    private static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    // MARK: Many seeds

    private struct Shared {
        var next: UInt64
        var statistics = Statistics()
        var failures: [Simulation.Failure] = []
        var slowest = (seconds: 0.0, seed: UInt64(0))
    }

    private static func run(_ options: SimulateOptions) -> Int32 {
        let shared = Mutex(Shared(next: options.first))
        let begun = ProcessInfo.processInfo.systemUptime
        let deadline = options.minutes.map { begun + $0 * 60 }
        CrashReport.install()
        let threads = (0..<options.jobs).map { index in
            let ended = DispatchSemaphore(value: 0)
            let thread = Thread {
                work(index, options, shared, deadline)
                ended.signal()
            }
            thread.name = "simulate-\(index)"
            thread.stackSize = 8 << 20
            thread.start()
            return ended
        }
        let isTerminal = isatty(STDERR_FILENO) == 1
        for ended in threads {
            while ended.wait(timeout: .now() + .milliseconds(500)) == .timedOut {
                guard isTerminal else { continue }
                let seeds = shared.withLock(\.statistics.seeds)
                let seconds = ProcessInfo.processInfo.systemUptime - begun
                FileHandle.standardError.write(Data("\r\(seeds) seeds, \(Int(Double(seeds) / seconds)) a second".utf8))
            }
        }
        if isTerminal { say("") }
        return report(options, shared.withLock { $0 }, seconds: ProcessInfo.processInfo.systemUptime - begun)
    }

    private static func work(_ index: Int, _ options: SimulateOptions, _ shared: borrowing Mutex<Shared>, _ deadline: Double?) {
        while true {
            let seed: UInt64? = shared.withLock { shared in
                guard shared.failures.isEmpty || options.keepsGoing else { return nil }
                if let deadline, ProcessInfo.processInfo.systemUptime >= deadline { return nil }
                if let count = options.seeds, shared.next >= options.first + count { return nil }
                defer { shared.next += 1 }
                return shared.next
            }
            guard let seed else { return }
            CrashReport.note(seed, by: index)
            let begun = ProcessInfo.processInfo.systemUptime
            let outcome = Simulation.run(options.plan(seed))
            let seconds = ProcessInfo.processInfo.systemUptime - begun
            shared.withLock { shared in
                shared.statistics.add(outcome.statistics)
                if seconds > shared.slowest.seconds { shared.slowest = (seconds, seed) }
                if let failure = outcome.failure { shared.failures.append(failure) }
            }
        }
    }

    private static func report(_ options: SimulateOptions, _ shared: Shared, seconds: Double) -> Int32 {
        let statistics = shared.statistics
        if !options.isQuiet { print(statistics.table) }
        let milliseconds = seconds * 1_000 * Double(options.jobs) / Double(max(1, statistics.seeds))
        print(
            "seeds \(options.first) to \(shared.next - 1) in \(Int(seconds)) s, \(milliseconds.rounded(toPlaces: 1)) ms a seed, "
                + "\(statistics.operations / max(1, statistics.seeds)) operations a seed; "
                + "the slowest, \(shared.slowest.seed), took \((shared.slowest.seconds * 1_000).rounded(toPlaces: 1)) ms"
        )
        for failure in shared.failures.prefix(3) {
            print("\nseed \(failure.plan.seed): \(failure.finding)")
            let smallest = Simulation.shrink(failure)
            print("smallest: \(smallest.finding)\nreplay: \(SimulateOptions.command(for: smallest.plan))")
        }
        if !shared.failures.isEmpty {
            print("\n\(shared.failures.count) of \(statistics.seeds) seeds found something")
            return 1
        }
        // With fewer seeds chance may have it that a fault never hit.
        if statistics.seeds >= 1_000, options.hasAllTroubles, !statistics.missing.isEmpty {
            print("these faults never hit, so nothing is shown about them: \(statistics.missing.joined(separator: ", "))")
            return 1
        }
        return 0
    }

    // MARK: One seed

    private static func replay(_ plan: SimulationPlan, isVerbose: Bool) -> Int32 {
        let outcome = Simulation.run(plan, trace: isVerbose ? { print($0) } : nil)
        guard let failure = outcome.failure else {
            print("seed \(plan.seed): nothing found in \(outcome.statistics.operations) operations")
            return 0
        }
        print("seed \(plan.seed): \(failure.finding)")
        return 1
    }
}

extension Double {
    fileprivate func rounded(toPlaces places: Int) -> Double {
        let factor = pow(10, Double(places))
        return (self * factor).rounded() / factor
    }
}
