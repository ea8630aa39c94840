import GodwitCore
import GodwitHTTP
import HTTPTypes
import Hummingbird
import NIOCore

/// Does what a button says: a form from a page of this server, by somebody who may.
struct DeedPage: Sendable {
    /// How long one press of a button may redrive.
    private static let redriveTime: Duration = .seconds(5)

    let environment: PageEnvironment
    private var broker: any Broker { environment.broker }

    func perform(_ request: Request) async throws -> Response {
        try SameOrigin.check(request.head, isEncrypted: environment.isEncrypted)
        guard let access = try environment.access(of: request.head) else { return .redirect(.seeOther, to: SessionPages.path(backTo: nil)) }
        let form = try await FormBody.read(request)
        guard let deed = form["do"].flatMap(Deed.init(rawValue:)) else {
            throw Problem.invalid("do", "the form does not say what to do: go back, load the page again and press the button there")
        }
        return .redirect(
            .seeOther,
            to: deed.isForQueues ? try await perform(deed, form, access) : try await performOnJob(deed, form, access)
        )
    }

    /// - Returns: where it can be seen.
    private func perform(_ deed: Deed, _ form: FormBody, _ access: PageAccess) async throws -> String {
        guard let text = form["queue"] else { throw Problem.invalid("queue", "the form names no queue: go back and load the page again") }
        let name = try QueueName(text)
        try access.require(.admin, name)
        var count: Int?
        switch deed {
        case .pause: try await broker.pause(name)
        case .resume: try await broker.resume(name)
        case .purge: count = try await broker.purge(name)
        case .delete:
            try await broker.delete(name, purging: true)
            note(deed, ["queue": text], by: access)
            return Address.path("", [("did", deed.rawValue)])
        case .redrive: return try await redrive(name, from: form["from"], after: form["count"].flatMap { Int($0) } ?? 0, by: access)
        case .retry, .cancel, .forget, .redriveJob: break
        }
        if let count { note(deed, ["queue": text, "jobs": String(count)], by: access) } else { note(deed, ["queue": text], by: access) }
        return Address.path("queue", [("name", text), ("did", deed.rawValue), ("count", count.map { String($0) })])
    }

    private func note(_ deed: Deed, _ subject: KeyValuePairs<String, String>, by access: PageAccess) {
        environment.audit?.note(deed.rawValue, subject, by: access.access, from: Connection.current?.address)
    }

    /// Redrives as long as one press may: what is left goes on from where this one ended.
    /// - Parameters:
    ///   - cursor: where the press before ended.
    ///   - before: how many jobs got another chance by the presses before.
    private func redrive(_ name: QueueName, from cursor: String?, after before: Int, by access: PageAccess) async throws -> String {
        var query = RedriveQuery(queue: name, cursor: cursor), redriven = max(0, before), refused = 0
        let end = ContinuousClock.now + Self.redriveTime
        repeat {
            let page = try await broker.redrive(query)
            // Each page, for the next one may fail.
            if page.redriven > 0 { note(.redrive, ["queue": name.description, "jobs": String(page.redriven)], by: access) }
            redriven += page.redriven
            refused += page.refused
            query.cursor = page.next
        } while query.cursor != nil && ContinuousClock.now < end
        let counts = [("count", String(redriven)), ("refused", refused > 0 ? String(refused) : nil)]
        guard let next = query.cursor else {
            return Address.path("queue", [("name", name.description), ("did", Deed.redrive.rawValue)] + counts)
        }
        return Address.path("confirm", [("do", Deed.redrive.rawValue), ("queue", name.description), ("from", next)] + counts)
    }

    private func performOnJob(_ deed: Deed, _ form: FormBody, _ access: PageAccess) async throws -> String {
        guard let text = form["job"] else { throw Problem.invalid("job", "the form names no job: go back and load the page again") }
        var id = JobID(text)
        let job = try await Look.job(id, broker, access)
        try access.require(.admin, job.queue)
        switch deed {
        case .retry: _ = try await broker.commit(.retry(id))
        case .cancel: _ = try await broker.commit(.cancel(id))
        case .redriveJob:
            id = try await broker.commit(.redrive(id)).jobID ?? id
            note(.redrive, ["job": text], by: access)
        case .forget:
            _ = try await broker.commit(.forget(id))
            note(deed, ["job": text], by: access)
            return Address.path("jobs", [("queue", job.queue.description), ("did", deed.rawValue)])
        case .pause, .resume, .redrive, .purge, .delete: break
        }
        return Address.path("job", [("id", id.description), ("did", deed.rawValue)])
    }
}

/// What a form sent.
struct FormBody: Sendable {
    private static let limit = 16 << 10

    private let fields: [(name: String, value: String)]

    static func read(_ request: Request) async throws -> FormBody {
        guard request.headers[.contentType]?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true else {
            throw Problem(
                .unsupportedMediaType,
                "unsupported_media_type",
                "this is for the page's own forms: programs use the interface under /v1",
                field: "Content-Type"
            )
        }
        var text: [UInt8] = []
        for try await part in request.body {
            guard text.count + part.readableBytes <= limit else { throw Problem.tooLarge(limit: limit) }
            text.append(contentsOf: part.readableBytesView)
        }
        return try FormBody(String(decoding: text, as: UTF8.self))
    }

    init(_ text: String) throws(Problem) {
        var fields: [(name: String, value: String)] = []
        for part in text.split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCoding.decode(pair[0], plusIsSpace: true),
                let value = PercentCoding.decode(pair.count > 1 ? pair[1] : "", plusIsSpace: true)
            else { throw .invalid("body", "the form is not properly percent-encoded UTF-8") }
            fields.append((name, value))
        }
        self.fields = fields
    }

    /// A field; nil when it is not there or empty.
    subscript(name: String) -> String? {
        fields.first { $0.name == name }.flatMap { $0.value.isEmpty ? nil : $0.value }
    }
}
