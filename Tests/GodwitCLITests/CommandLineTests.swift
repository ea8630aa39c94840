import ArgumentParser
import Foundation
import GodwitBench
import GodwitCore
import GodwitHTTP
import Testing

@testable import GodwitCLI

@Suite("The command line")
struct CommandLineTests {
    private func parse(_ arguments: String...) throws -> any ParsableCommand {
        try GodwitCommand.parseAsRoot(WorkCommand.arguments(arguments))
    }

    @Test("work: options stand before --, and everything after it is the command's")
    func work() throws {
        let command = try #require(try parse("work", "a", "b", "--concurrency", "4", "--", "jq", "--json", "-r", "--", ".") as? WorkCommand)
        #expect(command.queues == ["a", "b"])
        #expect(command.concurrency == 4)
        #expect(command.command == ["jq", "--json", "-r", "--", "."])
        #expect(!command.output.json)
    }

    @Test("publish: what follows is JSON in one line, in a query as in a batch")
    func onFinal() throws {
        let json = "[\n{\"cancel\":\t\"x\\ny\"}\n]"
        let command = try #require(try parse("publish", "q", "1", "--on-final", json) as? PublishCommand)
        let text = try #require(command.onFinal?.text)
        #expect(text == #"[ {"cancel": "x\ny"} ]"#)
        let item = NewJob(payload: [0x31], options: [(name: "on-final", value: text)]).batchItem
        #expect(String(decoding: item, as: UTF8.self) == #"{"payload":1,"on_final":[ {"cancel": "x\ny"} ]}"#)
    }

    @Test("other commands keep -- as the end of options")
    func terminator() throws {
        let command = try #require(try parse("publish", "q", "--", "--json") as? PublishCommand)
        #expect(command.body == "--json" && !command.output.json)
    }

    @Test(
        "what contradicts itself or makes no sense is wrong usage",
        arguments: [
            ["publish"], ["publish", "q", "x", "--delay", "5"], ["publish", "q", "x", "--delay", "1s", "--run-at", "2027-01-01T00:00:00Z"],
            ["publish", "q", "x", "--run-at", "tomorrow"], ["publish", "q", "--lines", "--key", "k"],
            ["publish", "q", "--lines", "--wait"],
            ["publish", "q", "x", "--data", "d", "--server", "http://h"], ["work", "q"], ["work", "--", "true"],
            ["work", "q", "--concurrency", "0", "--", "true"], ["work", "q", "--lease", "1ms", "--", "true"], ["jobs", "--state", "done"],
            ["jobs", "--limit", "0"], ["queue", "set", "q"], ["queue", "set", "q", "--retention", "none", "--retain-count", "1"],
            ["publish", "q", "x", "--key", "p\nq"], ["publish", "q", "x", "--content-type", "text/plain\r\nX: y"],
            ["queue", "set", "q", "--retain-count", "5", "--default", "retention"],
            ["queue", "set", "q", "--default", "lease", "--default", "lease"], ["nonsense"],
            ["publish", "q", "x", "--on-final", "["], ["publish", "q", "x", "--on-final", "@/nowhere"], ["counter", "add", "c", "s"],
            ["counter", "add", "c", "s", "--at", "1", "--then", "nonsense"],
            ["bench", "extra"], ["bench", "--jobs", "0"], ["bench", "--size", "0"], ["bench", "--size", "10"],
            ["bench", "--raw", "--size", "7"], ["bench", "--producers", "0"], ["bench", "--workers", "0"], ["bench", "--window", "0"],
            ["bench", "--rate", "0"], ["bench", "--rate", "-1"], ["bench", "--rate", "nan"], ["bench", "--fill", "10"],
            ["bench", "--drain"], ["bench", "--broker", "memory:", "--drain"], ["bench", "--broker", "./data"],
            ["bench", "--broker", "embedded://data"], ["bench", "--broker", "http://h", "--raw"], ["bench", "--queues", "2"],
        ]
    )
    func usage(arguments: [String]) {
        #expect {
            _ = try GodwitCommand.parseAsRoot(WorkCommand.arguments(arguments))
        } throws: {
            GodwitCommand.exitCode(for: $0).rawValue == 64
        }
    }

    @Test(
        "bench: what makes no sense is refused by the name of its option",
        arguments: [
            ("--fill", ["--fill", "5"]), ("--drain", ["--drain"]), ("--jobs", ["--jobs", "1", "--fill", "1"]),
            ("--jobs", ["--broker", "embedded:d", "--jobs", "1", "--drain"]),
            ("--fill", ["--broker", "embedded:d", "--fill", "1", "--drain"]),
            ("--rate", ["--broker", "embedded:d", "--drain", "--rate", "5"]),
            ("--sync", ["--broker", "embedded:d", "--drain", "--sync"]),
            ("--producers", ["--broker", "embedded:d", "--drain", "--producers", "5"]),
            ("--workers", ["--broker", "embedded:d", "--fill", "1", "--workers", "5"]),
            ("--size", ["--size", "20"]), ("--rate", ["--rate", "0"]), ("--broker", ["--broker", "data"]),
            ("--raw", ["--broker", "http://localhost", "--raw"]), ("--queues", ["--queues", "3"]),
            ("--transient", ["--transient"]), ("--transient", ["--raw", "--broker", "embedded:d", "--fill", "1", "--transient"]),
            ("--transient", ["--raw", "--broker", "embedded:d", "--drain", "--transient"]),
        ]
    )
    func benchRefusals(flag: String, arguments: [String]) {
        #expect {
            _ = try GodwitCommand.parseAsRoot(["bench"] + arguments)
        } throws: {
            GodwitCommand.message(for: $0).contains(flag)
        }
    }

    @Test("bench: typed jobs and raw messages have defaults of their own")
    func benchDefaults() throws {
        func plan(_ arguments: String...) throws -> BenchPlan {
            try #require(try GodwitCommand.parseAsRoot(["bench"] + arguments) as? BenchCommand).plan()
        }
        let typed = try plan()
        #expect(typed.store == .temporary && typed.load == .round(jobs: 100_000) && typed.size == 100 && typed.window == 4_096)
        #expect(typed.producers == 64 && typed.workers == 64 && !typed.isOneAtATime && typed.rate == nil)
        let raw = try plan("--raw", "--broker", "embedded:/d", "--fill", "7", "--rate", "10")
        #expect(raw.store == .folder("/d") && raw.load == .fill(7) && raw.producers == 1 && raw.workers == 1 && raw.rate == 10)
        #expect(try plan("--sync").producers == 1)
        #expect(try plan("--sync", "--producers", "50").producers == 50)
        #expect(try plan("--window", "8").producers == 8)
    }

    @Test("bench: JSON has one line with every key, and null for what was not measured")
    func benchJSON() throws {
        var report = BenchReport()
        report.jobs = 5
        report.endToEndPerSecond = 12.34
        report.peakMegabytes = 20
        let text = BenchText.json(report)
        #expect(!text.contains("\n"))
        let json = try #require(JSONValue(text.utf8))
        let keys = [
            "jobs", "publish_per_s", "publish_first_per_s", "publish_last_per_s", "end_to_end_per_s", "confirm_us", "end_to_end_us",
            "cpu_us_per_job", "generator_us_per_job", "peak_rss_mb", "write_amplification", "fdatasync_us_p50",
        ]
        #expect(try json.members()?.map(\.name) == keys)
        #expect(json["jobs"]?.integer == 5 && json["end_to_end_per_s"]?.double == 12.3)
        #expect(try json["confirm_us"]?.members()?.map(\.name) == ["p50", "p99", "p999"])
        #expect(text.contains(#""publish_per_s":null,"#))
    }

    @Test("bench: the table groups digits and leaves out what was not measured")
    func benchTable() {
        var report = BenchReport()
        report.jobs = 1_234_567
        report.processorPerJob = 0.816
        let lines = BenchText.table(report)
        #expect(lines.contains { $0.hasPrefix("jobs") && $0.hasSuffix("1,234,567") })
        #expect(lines.contains { $0.hasPrefix("processor time") && $0.contains(" 0.82 ") })
        #expect(!lines.contains { $0.contains("a second") })
    }

    @Test("queue set writes a merge patch with the interface's names")
    func settings() throws {
        let command = try #require(
            try parse(
                "queue",
                "set",
                "q",
                "--max-jobs",
                "10",
                "--lease",
                "5s",
                "--retain-count",
                "7",
                "--retain-failed",
                "1d",
                "--default",
                "dedup-max"
            )
                as? QueueCommand.Set
        )
        let json = JSONWriter.text { QueueCommand.Set.Setting.object(command.members).write(to: &$0) }
        #expect(json == #"{"max_jobs":10,"lease":"5s","retention":{"failed":"1d","count":7},"dedup_max":null}"#)
        let line = "queue set q --max-wait 30s --overflow drop_oldest --ttl 1h --max-deliveries 5 --dead-letter-queue dead"
        let bounds = try #require(try GodwitCommand.parseAsRoot(line.split(separator: " ").map(String.init)) as? QueueCommand.Set)
        #expect(
            JSONWriter.text { QueueCommand.Set.Setting.object(bounds.members).write(to: &$0) }
                == #"{"max_wait":"30s","overflow":"drop_oldest","ttl":"1h","max_deliveries":5,"dead_letter_queue":"dead"}"#
        )
        #expect(throws: (any Error).self) { try GodwitCommand.parseAsRoot(["queue", "set", "q", "--overflow", "drop"]) }
    }

    @Test("dead letters are asked for by reasons that there are")
    func reasons() throws {
        _ = try parse("queue", "redrive", "q", "--reason", "max_attempts", "--name", "n")
        _ = try parse("jobs", "--reason", "dropped", "--oldest")
        _ = try parse("publish", "q", "1", "--group", "g", "--claim", "c")
        _ = try parse("publish", "q", "1", "--transient")
        #expect(throws: (any Error).self) { try GodwitCommand.parseAsRoot(["publish", "q", "1", "--transient", "--data", "d"]) }
        #expect(throws: (any Error).self) { try GodwitCommand.parseAsRoot(["jobs", "--reason", "boredom"]) }
        #expect(throws: (any Error).self) { try GodwitCommand.parseAsRoot(["queue", "redrive", "q", "--reason", "boredom"]) }
        #expect(throws: (any Error).self) { try GodwitCommand.parseAsRoot(["queue", "browse", "q", "--limit", "0"]) }
    }

    @Test("every command has help with an example, and --version works everywhere")
    func help() throws {
        func all(_ command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
            [command] + command.configuration.subcommands.flatMap(all)
        }
        for command in all(GodwitCommand.self) {
            #expect(command.configuration.discussion.contains("  godwit "), "\(command)")
            #expect(!command.configuration.abstract.isEmpty)
        }
    }

    @Test("a token is one word; a file that holds none is wrong usage")
    func token() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("s3cret\n".utf8).write(to: file)
        let path = file.path(percentEncoded: false)
        #expect(try Token.read(file: path, environment: ["GODWIT_TOKEN": "other"]) == "s3cret")
        #expect(try Token.read(file: nil, environment: ["GODWIT_TOKEN": "other"]) == "other")
        #expect(try Token.read(file: nil, environment: [:]) == nil)
        try Data("two words".utf8).write(to: file)
        #expect(throws: CommandFailure.self) { try Token.read(file: path, environment: [:]) }
        #expect(throws: CommandFailure.self) { try Token.read(file: path + "-missing", environment: [:]) }
    }

    @Test("columns are as wide as they need to be")
    func table() {
        var table = Table([("queue", .left), ("jobs", .right)])
        table.add(["emails", "7"])
        table.add(["q", "123456"])
        #expect(table.lines == ["queue     jobs", "emails       7", "q       123456"])
    }

    @Test("what others wrote cannot steer the terminal")
    func printable() {
        #expect(JobText.printable("a\u{1b}[2Jb\nc\u{7}") == "a\u{fffd}[2Jb c\u{fffd}")
        #expect(JobText.printable("fdp\u{202e}exe\u{2028}\u{9b}2J") == "fdp\u{fffd}exe \u{fffd}2J")
        #expect(JobText.printable("👩‍💻 ü") == "👩‍💻 ü")
    }

    @Test("a job's name cannot write lines of its own into the description of the job")
    func jobLines() throws {
        let job = try #require(JSONValue(#"{"id":"j","queue":"q","name":"\u001b[31mred\nid  fake","state":"queued"}"#.utf8))
        #expect(JobText.lines(job) == ["id     j", "queue  q", "name   \u{fffd}[31mred id  fake", "state  queued"])
    }
}
