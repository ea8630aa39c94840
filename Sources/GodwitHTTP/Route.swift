package import HTTPTypes
import Hummingbird

/// One line of the interface: a method and a path, who may use it, the query items it takes, and what it does.
///
/// The table of these is all there is: the router, the refusal of other methods and the comparison with the OpenAPI document come from it.
package struct Route: Sendable {
    package let method: HTTPRequest.Method
    /// As the router writes it, relative to the mount: `jobs/:job/events`.
    package let path: String
    /// One of these lets somebody in; what the body asks for may need others.
    package let actions: [JobRoutes.Action]
    /// The query items that the route takes.
    package let options: [String]
    /// Those of them that may stand several times.
    let repeatable: Set<String>
    let handler: @Sendable (Exchange) async throws -> Response
    /// What it touches, so that those who may use some queues alone are kept to them.
    let reach: Reach
    /// What its span says of jobs; nil for what is no messaging.
    let operation: MessagingOperation?

    /// What a route touches.
    enum Reach: Sendable {
        /// The whole store: for those alone who may use all queues.
        case store
        /// The queue that the path names.
        case queue
        /// The job that the path names: its queue is looked up.
        case job
        /// What nobody knows who was not told (a lease, a job that he made); or its handler looks itself.
        case known
    }

    /// Bytes of a commit that may be a worker's.
    private static let workBytes = 256 << 10

    /// Whether a request's body may take what is kept free for workers that settle and renew. A commit may be theirs: it is taken for one when its
    /// client can make no jobs, or when it is small, as settles are.
    func isWork(of permissions: Permissions, _ headers: HTTPFields) -> Bool {
        if actions == [.work] { return true }
        guard path == CommitController.path, permissions.isGranted(.work) else { return false }
        if !permissions.mayAsk(for: .publish) { return true }
        guard let length = headers[.contentLength].flatMap({ Int($0) }) else { return false }
        return length <= Self.workBytes
    }

    let pathItems: [String]
    /// How many items the path has.
    let depth: Int

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        anyOf actions: [JobRoutes.Action],
        options: [String] = [],
        repeatable: Set<String> = [],
        reach: Reach? = nil,
        operation: MessagingOperation? = nil,
        handler: @escaping @Sendable (Exchange) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.actions = actions
        self.options = options
        self.repeatable = repeatable
        self.handler = handler
        self.operation = operation
        self.reach = reach ?? (path.hasPrefix("queues/:queue") ? .queue : .store)
        let parts = path.split(separator: "/")
        pathItems = parts.filter { $0.hasPrefix(":") }.map { String($0.dropFirst()) }
        depth = parts.count
    }

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ action: JobRoutes.Action,
        options: [String] = [],
        repeatable: Set<String> = [],
        reach: Reach? = nil,
        operation: MessagingOperation? = nil,
        handler: @escaping @Sendable (Exchange) async throws -> Response
    ) {
        self.init(
            method,
            path,
            anyOf: [action],
            options: options,
            repeatable: repeatable,
            reach: reach,
            operation: operation,
            handler: handler
        )
    }
}
