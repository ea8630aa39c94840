import Foundation
import GodwitCore
import GodwitHTTP

/// A job in the worker's hands, as the HTTP interface gave it.
struct LeasedJob: Sendable {
    let lease: String
    let id: String
    let queue: String
    let name: String?
    let attempt: Int
    /// The payload's bytes as they were published.
    let payload: [UInt8]
    let contentType: String
    /// How long the attempt may take.
    let timeout: Duration?
    /// The trace that its publisher was in.
    let trace: TraceContext?

    /// Nil when the answer does not have what every lease has.
    init?(_ json: JSONValue) {
        guard let lease = json["lease"]?.string, let job = json["job"], let id = job["id"]?.string, let queue = job["queue"]?.string else {
            return nil
        }
        self.lease = lease
        self.id = id
        self.queue = queue
        name = job["name"]?.string
        attempt = job["attempt"]?.integer ?? 1
        contentType = json["content_type"]?.string ?? Content.binary
        let headers = json["headers"]
        trace = headers?[TraceContext.parentName]?.string.flatMap {
            TraceContext(parent: $0, state: headers?[TraceContext.stateName]?.string)
        }
        timeout = (json["timeout"] ?? job["timeout"])?.string.flatMap { Duration(text: $0) }
        if let encoded = json["payload_base64"]?.string {
            guard let bytes = Base64.decode(encoded) else { return nil }
            payload = bytes
        } else if let members = try? json.members(), let value = members.first(where: { $0.name == "payload" })?.value {
            // A text payload is a JSON string; a JSON payload stands as it is, null and strings included.
            payload = Self.isJSON(contentType) ? value.bytes.array : Array((value.string ?? value.text).utf8)
        } else {
            payload = []
        }
    }

    /// Whether a media type says JSON (RFC 6839).
    private static func isJSON(_ type: String) -> Bool {
        let essence = type.prefix(while: { $0 != ";" }).trimmingCharacters(in: .whitespaces).lowercased()
        return essence == Content.json || essence.hasSuffix("+json")
    }

    /// What the command finds in its environment, on top of this process's.
    var environment: [String: String] {
        var environment = ["GODWIT_JOB_ID": id, "GODWIT_ATTEMPT": "\(attempt)", "GODWIT_QUEUE": queue, "GODWIT_CONTENT_TYPE": contentType]
        environment["GODWIT_JOB_NAME"] = name ?? ""
        return environment.merging(trace?.environment ?? [:]) { $1 }
    }

    /// The whole environment of its command. The trace that the worker itself was started in is no job's.
    func environment(on base: [String: String]) -> [String: String] {
        base.filter { $0.key != TraceContext.parentVariable && $0.key != TraceContext.stateVariable }.merging(environment) { $1 }
    }
}

/// What a worker says about a lease when the command has ended.
enum Settlement: Sendable, Equatable {
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
