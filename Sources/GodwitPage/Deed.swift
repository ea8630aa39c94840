import GodwitCore
import GodwitHTTP

/// What can be done with a queue or a job from the page.
enum Deed: String, Sendable, CaseIterable {
    case pause, resume, redrive, purge, delete
    case retry, cancel, forget
    case redriveJob = "redrive-job"

    var isForQueues: Bool {
        switch self {
        case .pause, .resume, .redrive, .purge, .delete: true
        case .retry, .cancel, .forget, .redriveJob: false
        }
    }

    /// Whether a page says what will happen, and to how many, before it does: for all that cannot be taken back.
    var isConfirmed: Bool {
        switch self {
        case .purge, .delete, .redrive, .forget: true
        case .pause, .resume, .retry, .cancel, .redriveJob: false
        }
    }

    /// Whether it takes something away.
    var isGrave: Bool { self == .purge || self == .delete || self == .forget }

    var label: String {
        switch self {
        case .pause: "Pause"
        case .resume: "Resume"
        case .redrive: "Redrive dead letters…"
        case .purge: "Purge…"
        case .delete: "Delete…"
        case .retry: "Retry"
        case .cancel: "Cancel the job"
        case .forget: "Forget…"
        case .redriveJob: "Redrive"
        }
    }

    /// Its button: a form that does it, or one that leads to the page that asks first.
    /// - Parameter isOff: whether it cannot be done now. Its button stands where it always does: none is to slip under somebody's pointer in the
    ///   place of another.
    func view(field: String, value: String, isOff: Bool) -> View {
        [
            "label": label, "deed": rawValue, "field": field, "value": PageEscaping.attribute(value), "grave": isGrave, "off": isOff,
            "to": Address.path(isConfirmed ? "confirm" : "do", []), "asks": isConfirmed,
        ]
    }

    /// What was done, as the next page says it: from the words of an address, of which nothing but a known word and a number is shown.
    static func report(_ did: String?, _ count: String?, refused: String? = nil) -> String? {
        guard let deed = did.flatMap(Deed.init(rawValue:)) else { return nil }
        let count = count.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        switch deed {
        case .pause: return "Paused: no more jobs are delivered, those that run go on."
        case .resume: return "Resumed."
        case .redrive:
            let refused = refused.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
            let rest = refused.map { " \(Formatting.count($0, "job")) stayed: redriving one alone says why." } ?? ""
            return count.map { "Redriven: \(Formatting.count($0, "job")).\(rest)" }
        case .purge: return count.map { "Purged: \(Formatting.count($0, "job")) that waited ended as cancelled." }
        case .delete: return "The queue was deleted."
        case .retry: return "The job runs again."
        case .cancel: return "The job was cancelled."
        case .forget: return "The job was forgotten."
        case .redriveJob: return "The job got another chance."
        }
    }
}
