import GodwitSimulation
import Testing

@Suite("Simulation", .timeLimit(.minutes(5)))
struct SimulationTests {
    @Test("the engine does what the model does, through crashes, full disks, failing calls and odd clocks", arguments: UInt64(1)...8)
    func seed(_ seed: UInt64) throws {
        let outcome = Simulation.run(SimulationPlan(seed: seed))
        let failure = outcome.failure.map { "seed \($0.plan.seed): \($0.finding)" }
        #expect(failure == nil)
        #expect(outcome.statistics.operations >= 500)
    }

    @Test("a seed does the same every time")
    func repeats() {
        var first: [String] = [], second: [String] = []
        _ = Simulation.run(SimulationPlan(seed: 5, operations: 120)) { first.append($0) }
        _ = Simulation.run(SimulationPlan(seed: 5, operations: 120)) { second.append($0) }
        #expect(first.count > 50)
        #expect(first == second)
    }

    @Test("a storage that breaks its promise is found out", arguments: StorageMistake.allCases)
    func mistake(_ mistake: StorageMistake) throws {
        let failure = try #require(
            (UInt64(1)...60).lazy.compactMap { Simulation.run(SimulationPlan(seed: $0, mistake: mistake)).failure }.first
        )
        let smallest = Simulation.shrink(failure)
        #expect(smallest.plan.operations <= failure.plan.operations)
        #expect(Simulation.run(smallest.plan).failure?.finding == smallest.finding)
    }
}
