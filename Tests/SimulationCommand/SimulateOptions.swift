import Foundation
import GodwitSimulation

/// What the command line asks for.
struct SimulateOptions {
    struct Mistake: Error {
        var text: String
    }

    static let help = """
        usage: simulate --seeds N [--first SEED] [--minutes M] [--jobs N] [--operations N] [--keep-going] [--quiet]
               simulate --replay SEED [--operations N] [--without KINDS] [--verbose]

        Runs the engine on a simulated disk that fails, beside a plain model, one seed after another: what was confirmed must be there
        after every crash, and every answer must be the model's. The same seed does the same every time.

          --seeds N        how many seeds to run; without it, as many as --minutes has time for
          --first SEED     the first one (1)
          --minutes M      end after so many minutes
          --jobs N         threads (all cores)
          --operations N   operations a seed, at least (500)
          --keep-going     goes on after a finding
          --quiet          no table of faults
          --replay SEED    runs one seed alone
          --without KINDS  leaves kinds of trouble out, separated by commas: \(kinds)
          --mistake NAME   a storage that breaks its promise, to show that it is found: \(mistakes)
          --verbose        says what happens

        Exit status: 0 nothing found, 1 something found (or, after 1,000 seeds, a kind of fault that never hit), 64 usage.
        """

    private static var kinds: String { SimulationPlan.Trouble.allCases.map(\.rawValue).joined(separator: ",") }
    private static var mistakes: String { StorageMistake.allCases.map(\.rawValue).joined(separator: ", ") }

    var wantsHelp = false
    var seeds: UInt64?
    var first: UInt64 = 1
    var minutes: Double?
    var jobs = min(ProcessInfo.processInfo.activeProcessorCount, CrashReport.threads)
    var operations = 500
    var keepsGoing = false
    var isQuiet = false
    var isVerbose = false
    private var replay: UInt64?
    private var troubles = Set(SimulationPlan.Trouble.allCases)
    private var mistake: StorageMistake?

    init(_ arguments: some Sequence<String>) throws(Mistake) {
        var rest = Array(arguments)[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h": wantsHelp = true
            case "--seeds": seeds = try Self.number(argument, &rest)
            case "--first": first = try Self.number(argument, &rest)
            case "--minutes": minutes = try Self.number(argument, &rest)
            case "--jobs": jobs = min(max(1, try Self.number(argument, &rest)), CrashReport.threads)
            case "--operations": operations = max(1, try Self.number(argument, &rest))
            case "--keep-going": keepsGoing = true
            case "--quiet": isQuiet = true
            case "--verbose": isVerbose = true
            case "--replay": replay = try Self.number(argument, &rest)
            case "--without":
                for word in try Self.value(argument, &rest).split(separator: ",") {
                    guard let trouble = SimulationPlan.Trouble(rawValue: String(word)) else {
                        throw Mistake(text: "there is no kind of trouble called \(word)")
                    }
                    troubles.remove(trouble)
                }
            case "--mistake":
                let word = try Self.value(argument, &rest)
                guard let found = StorageMistake(rawValue: word) else { throw Mistake(text: "there is no mistake called \(word)") }
                mistake = found
            default: throw Mistake(text: "there is no option \(argument)")
            }
        }
        guard wantsHelp || seeds != nil || minutes != nil || replay != nil else {
            throw Mistake(text: "say --seeds, --minutes or --replay")
        }
    }

    private static func value(_ option: String, _ rest: inout ArraySlice<String>) throws(Mistake) -> String {
        guard let text = rest.popFirst() else { throw Mistake(text: "\(option) needs a value") }
        return text
    }

    private static func number<Value: LosslessStringConvertible>(
        _ option: String,
        _ rest: inout ArraySlice<String>
    ) throws(Mistake) -> Value {
        let text = try value(option, &rest)
        guard let value = Value(text) else { throw Mistake(text: "\(option) needs a number, not \(text)") }
        return value
    }

    func plan(_ seed: UInt64) -> SimulationPlan {
        SimulationPlan(seed: seed, operations: operations, troubles: troubles, mistake: mistake)
    }

    var replayed: SimulationPlan? { replay.map(plan) }
    var hasAllTroubles: Bool { troubles.count == SimulationPlan.Trouble.allCases.count && mistake == nil }

    /// How to run a plan again.
    static func command(for plan: SimulationPlan) -> String {
        var words = ["dev/simulate", "--replay", "\(plan.seed)", "--operations", "\(plan.operations)"]
        let left = SimulationPlan.Trouble.allCases.filter { !plan.troubles.contains($0) }
        if !left.isEmpty { words += ["--without", left.map(\.rawValue).joined(separator: ",")] }
        if let mistake = plan.mistake { words += ["--mistake", mistake.rawValue] }
        return words.joined(separator: " ")
    }
}
