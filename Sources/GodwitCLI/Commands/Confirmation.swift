import ArgumentParser

/// Whether what cannot be taken back is meant: asked for on a terminal, said by `--yes` elsewhere.
struct Confirmation: ParsableArguments {
    @Flag(help: "Do it without asking; where nobody can be asked it is needed.")
    var yes = false

    /// - Parameter question: what will happen, and to how many.
    /// - Throws: ``CommandFailure`` when it is not meant, or nobody says so.
    func ask(_ question: String) throws {
        if yes { return }
        guard Output.isInputTerminal, Output.isErrorTerminal else {
            throw CommandFailure.usage("\(question) Nothing was done: add --yes")
        }
        Output.prompt("\(question) [y/N] ")
        guard ["y", "yes"].contains(readLine()?.lowercased()) else {
            throw CommandFailure.failed("nothing was done", code: "not_confirmed")
        }
    }
}
