import Testing

@testable import Timeline

@Suite("The command line")
struct OptionsTests {
    @Test("without arguments it listens on this machine alone")
    func defaults() throws {
        let options = try Options([])
        #expect(options.host == "127.0.0.1")
        #expect(options.port == 8090)
        #expect(options.data == "./timeline-data")
        #expect(options.broker == nil)
    }

    @Test("a value stands after its name, or after an equals sign")
    func values() throws {
        let options = try Options(["--port", "0", "--host=::1", "--data=/tmp/a=b", "--pace", "0", "--broker", "http://[::1]:8080"])
        #expect(options.port == 0)
        #expect(options.host == "::1")
        #expect(options.data == "/tmp/a=b")
        #expect(options.pace == 0)
        #expect(options.broker == "http://[::1]:8080")
    }

    @Test("help wins over what follows", arguments: ["--help", "-h"])
    func help(argument: String) throws {
        #expect(try Options([argument, "--nonsense"]).isHelpWanted)
    }

    @Test(
        "what cannot be followed is named",
        arguments: [
            (["--port"], "--port needs a value"), (["--port="], "--port needs a value"),
            (["--port", "http"], "--port must be a number from 0 to 65535"),
            (["--port", "65536"], "--port must be a number from 0 to 65535"), (["--pace", "-1"], "--pace must be a number"),
            (["--colour", "red"], "unknown argument --colour"), (["serve"], "unknown argument serve"),
        ]
    )
    func errors(arguments: [String], message: String) throws {
        let error = try #require(throws: Options.UsageError.self) { try Options(arguments) }
        #expect(error.description.hasPrefix(message))
    }
}
