import Dispatch
import GodwitCore
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// One run of a command for a job: feeds it the payload, gathers what it writes within bounds, and ends it when it must.
///
/// Everything happens on one thread, so that no process id is signalled that may be another's by now.
final class CommandRun: Sendable {
    struct Limits: Sendable {
        /// The most bytes of standard output, which become the result.
        var output = 1 << 20
        /// The bytes of the end of standard error that are kept.
        var error = 4_096
        /// How long a command has after SIGTERM before SIGKILL.
        var patience: Duration = .seconds(5)
    }

    /// Why a command was told to end.
    enum Ending: Sendable, Equatable {
        /// The job was cancelled, or its lease lost: whatever comes out is not wanted any more.
        case leaseLost(String)
        case timeout(Duration)
        case shutdown
    }

    struct Outcome: Sendable {
        var status: ChildProcess.ExitStatus
        var output: [UInt8]
        /// Whether there was more output than the bound.
        var isTruncated: Bool
        /// The end of standard error.
        var errorTail: [UInt8]
        var ending: Ending?
    }

    private struct State {
        var ending: Ending?
        /// A byte into it wakes the thread; nil when the run is over.
        var wake: Int32?
    }

    private let state = Mutex(State())
    private let limits: Limits
    private let echo: Bool

    /// - Parameter echo: whether the command's standard error is passed on to this process's.
    init(limits: Limits = Limits(), echo: Bool) {
        self.limits = limits
        self.echo = echo
    }

    /// Runs the command to its end, on a thread of its own.
    /// - Throws: ``SpawnFailure`` when it cannot be started.
    func run(path: String, arguments: [String], environment: [String: String], payload: [UInt8], timeout: Duration?) async throws -> Outcome
    {
        try await withCheckedThrowingContinuation { continuation in
            let run: @Sendable () -> Void = {
                continuation.resume(
                    with: Result {
                        try self.runBlocking(path: path, arguments: arguments, environment: environment, payload: payload, timeout: timeout)
                    }
                )
            }
            do throws(SystemThread.StartFailure) {
                try SystemThread.start(name: "godwit-command", stackSize: 256 << 10, run)
            } catch {
                continuation.resume(throwing: SpawnFailure(what: "start a thread", number: error.code))
            }
        }
    }

    /// Tells the command to end: SIGTERM to its group, SIGKILL when it goes on. The first reason counts.
    func end(_ reason: Ending) {
        state.withLock { state in
            guard state.ending == nil else { return }
            state.ending = reason
            if let wake = state.wake {
                var byte: UInt8 = 0
                _ = write(wake, &byte, 1)
            }
        }
    }

    private func runBlocking(
        path: String,
        arguments: [String],
        environment: [String: String],
        payload: [UInt8],
        timeout: Duration?
    ) throws -> Outcome {
        var started = try StartedCommand(path: path, arguments: arguments, environment: environment)
        state.withLock { $0.wake = started.wake.writing }
        defer {
            state.withLock { $0.wake = nil }
            extendLifetime(started)
        }
        var streams = CommandStreams(payload: payload, limits: limits, echo: echo)
        var schedule = EndSchedule(timeout: timeout, patience: limits.patience, start: .now)
        var pause = CommandPause()

        var status: ChildProcess.ExitStatus?
        while true {
            status = status ?? started.child.reap()
            let ending = state.withLock { $0.ending }
            // A command that was told to end has ended when all that it started has: its job may run again the next moment. One that ends
            // by itself may leave others behind.
            if let status, ending == nil || schedule.isKilled || !started.child.hasDescendants {
                // What the command left in its pipes is read; descendants that hold them open are not waited for.
                streams.transfer(&started.child)
                return Outcome(
                    status: status,
                    output: streams.output,
                    isTruncated: streams.isTruncated,
                    errorTail: streams.errorTail,
                    ending: ending
                )
            }
            if status == nil, let elapsed = schedule.timeoutReached(at: .now) { end(.timeout(elapsed)) }
            if state.withLock({ $0.ending != nil }), let signal = schedule.signal(at: .now) { started.child.signal(signal) }
            let isOpen = started.child.output != nil || started.child.error != nil
            streams.wait(started.child, wake: started.wake.reading, atMost: pause.next(streamsAreOpen: isOpen))
            if streams.transfer(&started.child) { pause.reset() }
        }
    }
}

/// A command that was started, with the pipe that wakes whoever waits for it.
struct StartedCommand: ~Copyable {
    /// Commands start one at a time: where descriptors are short, many that each hold some of what they need would keep all from starting.
    private static let starting = DispatchSemaphore(value: 1)

    let wake: ProcessPipe
    var child: ChildProcess

    init(path: String, arguments: [String], environment: [String: String]) throws(SpawnFailure) {
        Self.starting.wait()
        defer { Self.starting.signal() }
        let wake = try ProcessPipe()
        let child = try ChildProcess(path: path, arguments: arguments, environment: environment)
        _ = fcntl(wake.writing, F_SETFL, fcntl(wake.writing, F_GETFL) | O_NONBLOCK)
        self.wake = wake
        self.child = child
    }
}

/// When a command gets which signal.
struct EndSchedule {
    private let timeout: Duration?
    private let patience: Duration
    private let start: ContinuousClock.Instant
    private var terminated: ContinuousClock.Instant?
    /// Whether SIGKILL was due: nothing more can be done.
    private(set) var isKilled = false

    init(timeout: Duration?, patience: Duration, start: ContinuousClock.Instant) {
        self.timeout = timeout
        self.patience = patience
        self.start = start
    }

    /// The time that was allowed, once it is over.
    func timeoutReached(at now: ContinuousClock.Instant) -> Duration? {
        guard let timeout, start.duration(to: now) >= timeout else { return nil }
        return timeout
    }

    /// The signal that is due to a command that must end: SIGTERM at once, SIGKILL after the patience, each once.
    mutating func signal(at now: ContinuousClock.Instant) -> Int32? {
        guard let terminated else {
            terminated = now
            return SIGTERM
        }
        guard !isKilled, terminated.duration(to: now) >= patience else { return nil }
        isKilled = true
        return SIGKILL
    }
}

/// How long to wait for the pipes before the next look whether the command has ended: there is no descriptor that says so everywhere.
struct CommandPause {
    private var milliseconds: Int32 = 1

    /// Short at first, for a command that closed its streams is about to end; it doubles up to 50 ms.
    mutating func next(streamsAreOpen: Bool) -> Int32 {
        guard !streamsAreOpen else { return 50 }
        defer { milliseconds = min(50, milliseconds * 2) }
        return milliseconds
    }

    mutating func reset() { milliseconds = 1 }
}
