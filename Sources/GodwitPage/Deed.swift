import GodwitCore
import GodwitHTTP

/// What can be done from the page.
enum Deed: String, Sendable, CaseIterable {
    case pause, resume, redrive, purge, delete
    case retry, cancel, forget
    case redriveJob = "redrive-job"
    case redriveThese = "redrive-these"
    case retryThese = "retry-these"
    case cancelThese = "cancel-these"
    case retryChosen = "retry-chosen"
    case cancelChosen = "cancel-chosen"
    case forgetSchedule = "forget-schedule"

    /// What it is done to.
    enum Subject { case queue, job, jobs, chosen, schedule }

    var subject: Subject {
        switch self {
        case .pause, .resume, .redrive, .purge, .delete: .queue
        case .retry, .cancel, .forget, .redriveJob: .job
        case .redriveThese, .retryThese, .cancelThese: .jobs
        case .retryChosen, .cancelChosen: .chosen
        case .forgetSchedule: .schedule
        }
    }

    /// Whether a page says what will happen, and to how many, before it does: for what is done to many, and what leaves nothing.
    var isConfirmed: Bool {
        switch self {
        case .purge, .delete, .redrive, .forget, .redriveThese, .retryThese, .cancelThese, .retryChosen, .cancelChosen, .forgetSchedule:
            true
        case .pause, .resume, .retry, .cancel, .redriveJob: false
        }
    }

    /// Whether it takes something away.
    var isGrave: Bool {
        switch self {
        case .purge, .delete, .forget, .cancelThese, .cancelChosen, .forgetSchedule: true
        case .pause, .resume, .redrive, .retry, .cancel, .redriveJob, .redriveThese, .retryThese, .retryChosen: false
        }
    }

    var label: String {
        switch self {
        case .pause: "Pause"
        case .resume: "Resume"
        case .redrive: "Redrive dead letters…"
        case .purge: "Purge…"
        case .delete: "Delete…"
        case .retry: "Retry"
        case .cancel: "Cancel the job"
        case .forget, .forgetSchedule: "Forget…"
        case .redriveJob: "Redrive"
        case .redriveThese: "Redrive these…"
        case .retryThese: "Retry these…"
        case .cancelThese: "Cancel these…"
        case .retryChosen: "Retry the chosen…"
        case .cancelChosen: "Cancel the chosen…"
        }
    }

    /// Its button: a form that does it, or one that leads to the page that asks first.
    /// - Parameters:
    ///   - fields: what it is about; those without a value are left out.
    ///   - isOff: whether it cannot be done now. Its button stands where it always does: none is to slip under somebody's pointer in the place of
    ///     another.
    ///   - about: what the button is called where its label alone does not tell it from others.
    func view(_ fields: [(name: String, value: String?)], isOff: Bool, about: String? = nil) -> View {
        [
            "label": label, "deed": rawValue, "fields": Self.fields(fields), "grave": isGrave, "off": isOff, "about": about.orFalse,
            "to": Address.path(isConfirmed ? "confirm" : "do", []), "asks": isConfirmed,
        ]
    }

    static func fields(_ fields: [(name: String, value: String?)]) -> [View] {
        fields.compactMap { field in field.value.map { ["field": field.name, "value": PageEscaping.attribute($0)] } }
    }

    /// How many jobs of a queue it is about, as the page that asks says it.
    func count(in counts: QueueStatus.Counts) -> Int {
        switch self {
        case .purge: counts.unfinished - counts.running
        case .delete: counts.unfinished + counts.finished
        default: counts.failed + counts.expired
        }
    }

    /// How many there may be of those when it is done, and no more: of what is deleted those that are not finished.
    func bound(in counts: QueueStatus.Counts) -> Int { self == .delete ? counts.unfinished : count(in: counts) }

    /// What was done, as the next page says it.
    /// - Parameters:
    ///   - count: to how many jobs.
    ///   - refused: how many of them it could not be done to.
    func report(_ count: Int = 0, refused: Int = 0) -> String {
        let rest = refused > 0 ? " \(Formatting.count(refused, "job")) stayed: doing it to one alone says why." : ""
        return switch self {
        case .pause: "Paused: no more jobs are delivered, those that run go on."
        case .resume: "Resumed."
        case .redrive, .redriveThese: "Redriven: \(Formatting.count(count, "job")).\(rest)"
        case .purge: "Purged: \(Formatting.count(count, "job")) that waited ended as cancelled."
        case .delete: "The queue was deleted."
        case .retry: "The job runs again."
        case .cancel: "The job was cancelled."
        case .forget: "The job was forgotten."
        case .redriveJob: "The job got another chance."
        case .retryThese, .retryChosen: "Running again: \(Formatting.count(count, "job")).\(rest)"
        case .cancelThese, .cancelChosen: "Cancelled: \(Formatting.count(count, "job")).\(rest)"
        case .forgetSchedule: "The schedule was forgotten."
        }
    }
}

extension QueueStatus.Counts {
    var finished: Int { succeeded + failed + cancelled + expired }
}
