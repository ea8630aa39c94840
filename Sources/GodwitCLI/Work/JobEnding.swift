import Foundation
import GodwitCore

/// What a worker says about a lease when the command has ended.
enum JobEnding: Sendable, Equatable {
    case complete([UInt8])
    case fail(message: String, code: String, isFinal: Bool)
    case release
    /// The lease is not this worker's any more: there is nothing to say.
    case nothing(String)

    /// Reads how a command ended.
    init(_ outcome: CommandRun.Outcome, limits: CommandRun.Limits) {
        switch outcome.ending {
        case .leaseLost(let why): self = .nothing(why)
        case .timeout(let time):
            self = .fail(message: "the command took longer than \(time.text)", code: FailureCode.timeout, isFinal: false)
        case .shutdown where outcome.status != .exited(0): self = .release
        case .shutdown, nil:
            guard outcome.status == .exited(0) else {
                self = .fail(message: Self.message(outcome), code: Self.code(outcome.status), isFinal: false)
                return
            }
            guard !outcome.isTruncated else {
                // The same command would write as much again: trying again does not help.
                self = .fail(
                    message: "the command wrote more than \(limits.output) bytes to standard output: store the result elsewhere and "
                        + "print where it is, or raise --max-output",
                    code: "result_too_large",
                    isFinal: true
                )
                return
            }
            self = .complete(outcome.output)
        }
    }

    private static func message(_ outcome: CommandRun.Outcome) -> String {
        let text = String(decoding: outcome.errorTail.drop(while: { $0 & 0xc0 == 0x80 }), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard text.isEmpty else { return text }
        return switch outcome.status {
        case .exited(let code): "the command exited with \(code) and wrote nothing to standard error"
        case .signalled(let signal): "the command was ended by signal \(signal)"
        }
    }

    private static func code(_ status: ChildProcess.ExitStatus) -> String {
        switch status {
        case .exited(let code): "exit_\(code)"
        case .signalled(let signal): "signal_\(signal)"
        }
    }
}
