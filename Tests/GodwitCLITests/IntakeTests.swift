import Testing

@testable import GodwitCLI

@Suite("What a worker takes", .timeLimit(.minutes(1)))
struct IntakeTests {
    @Test("who waits while it is quiet goes on when jobs are taken again")
    func resume() async {
        let intake = Intake()
        await intake.opened()
        #expect(intake.quiet() && !intake.quiet() && intake.isQuiet)
        async let waiting: Void = intake.opened()
        #expect(intake.resume() && !intake.resume() && !intake.isQuiet)
        await waiting
        await intake.opened()
    }

    @Test("the end lets everybody go, also who comes later")
    func end() async {
        let shutdown = Shutdown()
        shutdown.intake.quiet()
        async let waiting: Void = shutdown.intake.opened()
        shutdown.request()
        await waiting
        shutdown.intake.quiet()
        await shutdown.intake.opened()
        #expect(!shutdown.intake.isQuiet)
    }
}
