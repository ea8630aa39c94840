import GodwitCore
import GodwitHTTP
import HTTPTypes
import Hummingbird

/// One look at a page: what was asked for, by whom, and what it is answered from.
struct Look: Sendable {
    let query: QueryItems
    let access: PageAccess
    let environment: PageEnvironment
    /// What the reader of a page that is kept up to date was shown before; nil for a page that is loaded.
    let memory: LookMemory?
    let now: Timestamp

    /// - Throws: ``Problem`` when the query is not what the page takes.
    init(
        _ request: Request,
        options: [String],
        repeatable: Set<String> = [],
        access: PageAccess,
        environment: PageEnvironment,
        memory: LookMemory?
    ) throws(Problem) {
        query = try QueryItems(request.uri.query, known: options.sorted(), repeatable: repeatable)
        self.memory = memory
        self.access = access
        self.environment = environment
        now = environment.now()
    }

    /// Whether it is one of many that keep a page up to date.
    var isLive: Bool { memory != nil }
    var broker: any Broker { environment.broker }

    /// A query item; nil when it is not there or empty, as forms send fields that nobody filled in.
    subscript(name: String) -> String? { query[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// The page that led here, with its filter.
    var back: String? { Address.checked(self["back"]) }

    /// The queue that the query names.
    func queueName(_ name: String = "name") throws -> QueueName {
        guard let text = self[name] else { throw Problem.invalid(name, "the address names no queue: choose one from the list of queues") }
        return try QueueName(text)
    }

    /// A queue that whoever looks may see.
    func queue(_ name: QueueName) async throws -> QueueStatus {
        try access.require(.admin, name)
        guard let queue = try await broker.queue(name) else { throw BrokerError.queueNotFound(name.description) }
        return queue
    }

    /// All queues that whoever looks may see.
    func queues() async throws -> SeenQueues { try await SeenQueues.all(environment, access, isLive: isLive) }

    /// The job that the query names, which whoever looks may follow.
    func job(_ name: String = "id") async throws -> JobSnapshot {
        guard let text = self[name] else { throw Problem.invalid(name, "the address names no job: choose one from the list of jobs") }
        // As it was copied from somewhere.
        return try await Self.job(JobID(text.split(whereSeparator: \.isWhitespace).joined()), broker, access)
    }

    static func job(_ id: JobID, _ broker: any Broker, _ access: PageAccess) async throws -> JobSnapshot {
        switch try await broker.read([id]).first {
        case .found(let job):
            guard access.allows(.watch, job.queue) || access.allows(.admin, job.queue) else { throw BrokerError.jobNotFound(id) }
            return job
        case .forgotten: throw BrokerError.jobForgotten(id)
        case .unknown, nil: throw BrokerError.jobNotFound(id)
        }
    }
}

/// A page as it is to be shown.
struct PageContent: Sendable {
    /// When a page that is looked at shows something new.
    enum Refresh: Sendable {
        case never
        case every(Duration)
        /// When the job is not at this version any more.
        case change(of: JobID, Version)
    }

    var title: String
    /// The part of the page that is open, as the navigation marks it.
    var section: String = ""
    /// What stands above the part that changes, if anything: forms that somebody may be filling in.
    var head: String?
    /// The template of the part that changes.
    var template: String
    var view: View
    /// The template of what stands below the part that changes, and never does itself.
    var foot: String?
    var refresh = Refresh.never
    /// Where the part that changes is asked for, if not at the page's own address.
    var stream: String?

    /// - Parameter back: the page that led here.
    static func message(title: String, _ text: String, backTo back: String? = nil) -> PageContent {
        let label = back == nil ? "Back to the queues" : "Go back"
        return PageContent(
            title: title,
            template: "message",
            view: ["title": title, "text": text, "back": back ?? OperatorsPage.mount, "label": label]
        )
    }

    /// The part that changes, as HTML.
    var part: String { Templates.render(template, view) }
}

/// The pages that show something.
struct PageView: Sendable {
    /// The query items that it takes.
    let options: [String]
    /// Those that may stand several times.
    var repeatable: Set<String> = []
    /// What it shows now.
    let content: @Sendable (Look) async throws -> PageContent

    static let queues = PageView(options: QueuesView.options, content: QueuesView.content)
    static let queue = PageView(options: QueueView.options, content: QueueView.content)
    static let jobs = PageView(options: JobsView.options, content: JobsView.content)
    static let job = PageView(options: JobView.options, content: JobView.content)
    static let workers = PageView(options: WorkersView.options, content: WorkersView.content)
    static let schedules = PageView(options: [], content: SchedulesView.content)
    static let confirm = PageView(options: ConfirmView.options, repeatable: [ConfirmView.choice], content: ConfirmView.content)
}

/// The addresses of the page's pages.
enum Address {
    static func queue(_ name: QueueName) -> String { path("queue", [("name", name.description)]) }
    static func job(_ id: JobID, backTo back: String? = nil) -> String { path("job", [("id", id.description), ("back", back)]) }

    /// A path of this page and nothing else: nobody is led anywhere else by what an address or a form says.
    static func checked(_ path: String?) -> String? {
        guard let path,
            path == OperatorsPage.mount || path.hasPrefix(OperatorsPage.mount + "/") || path.hasPrefix(OperatorsPage.mount + "?"),
            !path.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f || $0 == UInt8(ascii: "\\") })
        else { return nil }
        // A browser goes up where a segment is two dots, however they are written.
        let segments = path.prefix { $0 != "?" && $0 != "#" }.lowercased().replacing("%2e", with: ".").split(separator: "/")
        guard !segments.contains(where: { $0 == "." || $0 == ".." }) else { return nil }
        return path
    }

    /// The page of this server that a request came from, as its browser says.
    static func origin(of head: HTTPRequest) -> String? {
        guard let referer = head.headerFields[.referer], let authority = head.authority, !authority.isEmpty else { return nil }
        for scheme in ["http://", "https://"] where referer.hasPrefix("\(scheme)\(authority)/") {
            let path = checked(String(referer.dropFirst(scheme.utf8.count + authority.utf8.count)))
            return path == head.path ? nil : path
        }
        return nil
    }

    /// Items without a value are left out.
    static func path(_ page: String, _ items: [(name: String, value: String?)]) -> String {
        let query = items.compactMap { item in item.value.map { "\(item.name)=\(PercentCoding.encode($0))" } }.joined(separator: "&")
        return OperatorsPage.mount + (page.isEmpty ? "" : "/\(page)") + (query.isEmpty ? "" : "?\(query)")
    }
}
