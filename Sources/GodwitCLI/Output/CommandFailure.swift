import ArgumentParser
import GodwitCore
import GodwitHTTP

/// Why a command did not do what it was asked, with the exit code that says so to scripts.
struct CommandFailure: Error, CustomStringConvertible {
    /// What the exit codes of every command mean; those above 1 are from sysexits(3).
    enum Exit: Int32 {
        /// The job failed, or the store refused the request (no such job, wrong state, no permission).
        case failed = 1
        /// The command line, or a value on it, is wrong.
        case usage = 64
        /// A store or a backup is damaged.
        case damaged = 65
        /// The server cannot be reached, or the data folder cannot be opened.
        case unreachable = 69
        /// The folder can be opened by another version alone, or holds a backup that is not restored to its end: trying again changes nothing.
        case unusable = 78
        /// What was to be made is there already, or cannot be made: nothing is overwritten.
        case cannotCreate = 73
        /// The queue is full, or what was asked for is not there yet: try again later.
        case busy = 75
    }

    var exit: Exit
    /// What happened and what to do next.
    var message: String
    /// The stable word for it, as the HTTP interface says it.
    var code: String
    /// The problem document, if the store sent one.
    var problem: JSONValue?
    /// The least time to wait before another try.
    var retryAfter: Duration?
    /// Whether the request certainly did not reach the store.
    var isCertainlyUnsent = false

    var description: String { message }

    /// Whether the same request may succeed later.
    var isTransient: Bool { exit == .unreachable || exit == .busy }

    /// The failure as one JSON object: the problem document where there is one.
    var json: String {
        if let problem { return problem.text }
        return JSONWriter.text { json in
            json.object { json in
                json.member("code", code)
                json.member("detail", message)
            }
        }
    }

    static func usage(_ message: String) -> CommandFailure { CommandFailure(exit: .usage, message: message, code: "usage") }

    static func failed(_ message: String, code: String) -> CommandFailure { CommandFailure(exit: .failed, message: message, code: code) }

    /// The answer to a request was lost.
    static func outcomeUnknown(_ message: String) -> CommandFailure {
        CommandFailure(exit: .unreachable, message: message, code: BrokerError.Code.outcomeUnknown.rawValue)
    }

    static func unreachable(_ message: String, isCertainlyUnsent: Bool = false) -> CommandFailure {
        CommandFailure(
            exit: .unreachable,
            message: message,
            code: BrokerError.Code.unavailable.rawValue,
            isCertainlyUnsent: isCertainlyUnsent
        )
    }
}

extension CommandFailure {
    /// A refusal by the broker itself, as opening a folder or serving it meets it.
    init(_ error: BrokerError) {
        let exit: Exit =
            switch error.code {
            case .busy, .diskFull: .busy
            case .invalidArgument, .unsupportedURL: .usage
            case .storeCorrupt: .damaged
            case .storeNewer, .restoreUnfinished: .unusable
            case .storeLocked, .storeFailed, .unavailable, .closed: .unreachable
            default: .failed
            }
        self.init(exit: exit, message: error.message, code: error.code.rawValue, retryAfter: error.retryAfter)
    }
}
