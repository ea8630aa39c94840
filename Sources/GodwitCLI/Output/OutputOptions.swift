import ArgumentParser

/// How a command says what it found.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Write JSON, with the keys of the HTTP interface: one object, or one a line.")
    var json = false
}
