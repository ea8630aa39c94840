import GodwitJournal

/// Runs seeds, and makes a failing one as small as it gets.
package enum Simulation {
    package struct Failure: Sendable {
        package var plan: SimulationPlan
        package var finding: String
    }

    /// What a seed came to.
    package struct Outcome: Sendable {
        package var statistics: Statistics
        package var failure: Failure?
    }

    /// Runs one plan. The same plan does the same every time.
    /// - Parameter trace: gets a line for each thing that happens.
    package static func run(_ plan: SimulationPlan, trace: ((String) -> Void)? = nil) -> Outcome {
        let world = World(plan, trace: trace)
        do {
            try world.run()
            return Outcome(statistics: world.statistics, failure: nil)
        } catch {
            world.statistics.seeds = 1
            if trace != nil { world.dump() }
            return Outcome(statistics: world.statistics, failure: Failure(plan: plan, finding: "\(error)"))
        }
    }

    /// The smallest failing plan that is found by leaving out kinds of trouble and cutting operations off.
    package static func shrink(_ failure: Failure) -> Failure {
        var best = failure
        for trouble in SimulationPlan.Trouble.allCases {
            var plan = best.plan
            plan.troubles.remove(trouble)
            if let smaller = run(plan).failure { best = smaller }
        }
        var step = best.plan.operations / 2
        while step > 0 {
            var plan = best.plan
            plan.operations -= step
            if plan.operations > 0, let smaller = run(plan).failure { best = smaller } else { step /= 2 }
        }
        return best
    }
}
