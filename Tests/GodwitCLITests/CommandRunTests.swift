import Foundation
import GodwitCore
import GodwitHTTP
import Testing

@testable import GodwitCLI

@Suite("Commands", .timeLimit(.minutes(1)))
struct CommandRunTests {
    init() { Output.ignoreBrokenPipes() }

    private func run(
        _ script: String,
        payload: String = "",
        limits: CommandRun.Limits = .init(),
        timeout: Duration? = nil,
        environment: [String: String] = ["PATH": "/usr/bin:/bin"],
        whileRunning: (@Sendable (CommandRun) async -> Void)? = nil
    ) async throws -> CommandRun.Outcome {
        let run = CommandRun(limits: limits, echo: false)
        async let outcome = run.run(
            path: "/bin/sh",
            arguments: ["sh", "-c", script],
            environment: environment,
            payload: Array(payload.utf8),
            timeout: timeout
        )
        if let whileRunning { await whileRunning(run) }
        return try await outcome
    }

    @Test("get the payload on standard input, and their output is the result")
    func success() async throws {
        let payload = String(repeating: "0123456789", count: 100_000)
        let outcome = try await run("cat", payload: payload)
        #expect(outcome.status == .exited(0) && outcome.output == Array(payload.utf8))
        #expect(JobEnding(outcome, limits: .init()) == .complete(Array(payload.utf8)))
    }

    @Test("may leave the payload unread")
    func unread() async throws {
        let outcome = try await run("echo done", payload: String(repeating: "x", count: 1 << 20))
        #expect(JobEnding(outcome, limits: .init()) == .complete(Array("done\n".utf8)))
    }

    @Test("see the job in their environment")
    func environment() async throws {
        let json =
            #"{"lease":"l","content_type":"application/json","payload":{"b":1.0,"a":2},"timeout":"1500ms","job":{"id":"j","queue":"q","name":null,"attempt":3}}"#
        let answer = try #require(JSONValue(json.utf8))
        let job = try #require(LeasedJob(answer))
        #expect(String(decoding: job.payload, as: UTF8.self) == #"{"b":1.0,"a":2}"#)
        #expect(job.timeout == .milliseconds(1_500))
        let outcome = try await run(#"printf '%s %s %s' "$GODWIT_JOB_ID" "$GODWIT_ATTEMPT" "$GODWIT_QUEUE""#, environment: job.environment)
        #expect(outcome.output == Array("j 3 q".utf8))
    }

    @Test("see the publisher's trace in their environment, never the worker's own")
    func trace() async throws {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        func environment(_ headers: String) throws -> [String: String] {
            let json = #"{"lease":"l","payload":1,"headers":HEADERS,"job":{"id":"j","queue":"q"}}"#.replacing("HEADERS", with: headers)
            let answer = try #require(JSONValue(json.utf8))
            let job = try #require(LeasedJob(answer))
            return job.environment(on: ["PATH": "/bin", "TRACEPARENT": "mine", "TRACESTATE": "mine=1"])
        }
        let traced = try environment(#"{"traceparent": "\#(parent)", "tracestate": "a=b"}"#)
        #expect(traced["TRACEPARENT"] == parent && traced["TRACESTATE"] == "a=b" && traced["PATH"] == "/bin")
        for headers in ["{}", #"{"traceparent": "00-1", "tracestate": "a=b"}"#, #"{"tracestate": "a=b"}"#] {
            let environment = try environment(headers)
            #expect(environment["TRACEPARENT"] == nil && environment["TRACESTATE"] == nil && environment["GODWIT_JOB_ID"] == "j")
        }
    }

    @Test("that exit with another code fail with the end of standard error")
    func failure() async throws {
        var limits = CommandRun.Limits()
        limits.error = 16
        let outcome = try await run("echo out; echo 'first line' >&2; echo 'the last line' >&2; exit 3", limits: limits)
        #expect(JobEnding(outcome, limits: limits) == .fail(message: "e\nthe last line", code: "exit_3", isFinal: false))
        let silent = try await run("exit 4")
        guard case .fail(let message, "exit_4", false) = JobEnding(silent, limits: limits) else {
            Issue.record("\(silent)")
            return
        }
        #expect(message.contains("exited with 4"))
    }

    @Test("that are ended by a signal of their own fail with it")
    func signal() async throws {
        let outcome = try await run("kill -9 $$")
        guard case .fail(_, "signal_9", false) = JobEnding(outcome, limits: .init()) else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test("that write too much fail for good; no more than the bound is kept")
    func tooMuch() async throws {
        var limits = CommandRun.Limits()
        limits.output = 1_000
        let outcome = try await run("head -c 5000000 /dev/zero", limits: limits)
        #expect(outcome.output.count == 1_000 && outcome.isTruncated)
        guard case .fail(_, "result_too_large", true) = JobEnding(outcome, limits: limits) else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test("of cancelled jobs get SIGTERM, and may clean up")
    func terminate() async throws {
        let outcome = try await run("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.05; done") { run in
            try? await Task.sleep(for: .milliseconds(200))
            run.end(.leaseLost("it was cancelled"))
        }
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("cleaned"))
        #expect(JobEnding(outcome, limits: .init()) == .nothing("it was cancelled"))
    }

    @Test("that ignore SIGTERM get SIGKILL, with all that they started")
    func kill() async throws {
        var limits = CommandRun.Limits()
        limits.patience = .milliseconds(200)
        let outcome = try await run("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & wait; sleep 60", limits: limits) {
            run in
            try? await Task.sleep(for: .milliseconds(300))
            run.end(.shutdown)
        }
        #expect(outcome.status == .signalled(9))
        #expect(JobEnding(outcome, limits: limits) == .release)
        let child = try #require(Int32(String(decoding: outcome.output, as: UTF8.self).trimmingCharacters(in: .newlines)))
        let end = ContinuousClock.now + .seconds(10)
        // Gone, or a zombie that nobody has reaped.
        while isAlive(child) && ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!isAlive(child))
    }

    @Test("that obey SIGTERM are over when all that they started is: it has the same patience, then SIGKILL")
    func descendants() async throws {
        var limits = CommandRun.Limits()
        limits.patience = .milliseconds(300)
        let start = ContinuousClock.now
        let outcome = try await run("sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & exec sleep 60", limits: limits) { run in
            try? await Task.sleep(for: .milliseconds(300))
            run.end(.shutdown)
        }
        #expect(outcome.status == .signalled(15))
        #expect(start.duration(to: .now) >= .milliseconds(600))
        let child = try #require(Int32(String(decoding: outcome.output, as: UTF8.self).trimmingCharacters(in: .newlines)))
        let end = ContinuousClock.now + .seconds(10)
        while isAlive(child) && ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!isAlive(child))
    }

    @Test("that obey SIGTERM leave what they started the time to clean up")
    func descendantsCleanUp() async throws {
        let script = "sh -c 'trap \"sleep 0.3; echo cleaned; exit\" TERM; echo ready; while :; do sleep 0.05; done' & exec sleep 60"
        let outcome = try await run(script) { run in
            try? await Task.sleep(for: .milliseconds(400))
            run.end(.shutdown)
        }
        #expect(outcome.status == .signalled(15))
        #expect(String(decoding: outcome.output, as: UTF8.self) == "ready\ncleaned\n")
    }

    @Test("that are scripts without a first line are run by the shell, as ever")
    func scriptWithoutInterpreter() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "script-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try #require(
            FileManager.default.createFile(atPath: file, contents: Data("echo \"$1 $(cat)\"".utf8), attributes: [.posixPermissions: 0o755])
        )
        let outcome = try await CommandRun(echo: false)
            .run(path: file, arguments: ["x", "one"], environment: ["PATH": "/usr/bin:/bin"], payload: Array("two".utf8), timeout: nil)
        #expect(outcome.output == Array("one two\n".utf8))
    }

    @Test("that cannot be started say why, and whether it may be otherwise later")
    func unstartable() async throws {
        let run = CommandRun(echo: false)
        let failure = await #expect(throws: SpawnFailure.self) {
            try await run.run(path: "/no/such/program", arguments: ["x"], environment: [:], payload: [], timeout: nil)
        }
        #expect(failure?.isLackOfRoom == false)
        #expect(failure?.description == "cannot start /no/such/program: No such file or directory")
        #expect(SpawnFailure(what: "make a pipe", number: EMFILE).isLackOfRoom)
    }

    private func isAlive(_ pid: Int32) -> Bool {
        guard Foundation.kill(pid, 0) == 0 else { return false }
        let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return !stat.contains(") Z ")
    }

    @Test("that take longer than the attempt may are ended, and fail with the code timeout")
    func timeout() async throws {
        let outcome = try await run("sleep 60", timeout: .milliseconds(200))
        #expect(
            JobEnding(outcome, limits: .init()) == .fail(message: "the command took longer than 200ms", code: "timeout", isFinal: false)
        )
    }

    @Test("whose descendants keep the streams open end nevertheless")
    func daemon() async throws {
        let start = ContinuousClock.now
        let outcome = try await run("sleep 5 & echo done")
        #expect(outcome.output == Array("done\n".utf8))
        #expect(start.duration(to: .now) < .seconds(4))
    }

    @Test("inherit nothing but their standard streams")
    func descriptors() async throws {
        let file = open("/dev/null", O_RDONLY)
        defer { close(file) }
        let outcome = try await run("ls -l /proc/self/fd | grep -c null || true")
        #expect(String(decoding: outcome.output, as: UTF8.self).trimmingCharacters(in: .newlines) == "0")
    }

    @Test("that do not exist are known before a job is leased")
    func path() {
        #expect(ChildProcess.path(of: "sh", searching: "/nowhere:/bin") == "/bin/sh")
        #expect(ChildProcess.path(of: "/bin/sh") == "/bin/sh")
        #expect(ChildProcess.path(of: "/etc/passwd") == nil)
        #expect(ChildProcess.path(of: "/bin") == nil)
        #expect(ChildProcess.path(of: "no-such-program", searching: "/bin") == nil)
    }
}
