/// What the command line says.
struct Options: Equatable {
    /// Why the command line cannot be followed.
    struct UsageError: Error, Equatable, CustomStringConvertible {
        var description: String
    }

    var host = "127.0.0.1"
    var port = 8090
    var data = "./timeline-data"
    /// Where the jobs are; nil for a folder in `data`, in this process.
    var broker: String?
    /// Milliseconds that delivering to 500 followers pretends to take.
    var pace = 150
    var isHelpWanted = false

    static let usage = """
        Usage: timeline [--port PORT] [--host HOST] [--data FOLDER] [--broker URL] [--pace MILLISECONDS]

        Serves a page on which you post, and delivers your posts to 10,000 followers in the background.

          --port PORT   0 to 65535; 0 takes any that is free (default: 8090)
          --host HOST   the address to listen on (default: 127.0.0.1, which only this machine reaches)
          --data FOLDER where jobs and timelines are kept; made when it is not there (default: ./timeline-data)
          --broker URL  have the jobs in a server instead, such as http://127.0.0.1:8080 (`godwit serve`); timelines stay in the
                        folder, so one timeline program a server
          --pace MS     what delivering to 500 followers pretends to take, 0 to 10000 (default: 150)
          --help        says this

        """

    init() {}

    /// - Parameter arguments: The command line without the program's name; `--port 80` and `--port=80` are the same.
    init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            if name == "--help" || name == "-h" {
                isHelpWanted = true
                return
            }
            guard Self.example.keys.contains(name) else {
                throw UsageError(description: "unknown argument \(argument): timeline --help lists what there is")
            }
            guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst(), !value.isEmpty else {
                throw UsageError(description: "\(name) needs a value, for example \(name) \(Self.example[name] ?? "")")
            }
            switch name {
            case "--port": port = try Self.number(name, value, 0...65_535)
            case "--pace": pace = try Self.number(name, value, 0...10_000)
            case "--host": host = value
            case "--broker": broker = value
            default: data = value
            }
        }
    }

    private static let example = [
        "--port": "8090", "--host": "127.0.0.1", "--data": "./timeline-data", "--broker": "http://127.0.0.1:8080", "--pace": "150",
    ]

    private static func number(_ name: String, _ value: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw UsageError(description: "\(name) must be a number from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
        return number
    }
}
