import GodwitCore
package import GodwitHTTP
package import HTTPTypes

/// What somebody who looks at the page may see and do: no more than the interface under `/v1` would let them.
package struct PageAccess: Sendable {
    /// Who looks: everybody where no token is asked for.
    let access: Access

    package init(_ access: Access) { self.access = access }

    package static let everything = PageAccess(.everybody)

    /// Whether it can be given up.
    var isLoggedIn: Bool { access.grant != nil }
    /// Whether there can be queues at all that it lets see.
    var isOperator: Bool { access.allows(.admin) }

    /// Whether no queue is kept from it.
    var hasAllQueues: Bool { access.hasAllQueues }

    func allows(_ action: JobRoutes.Action, _ queue: QueueName) -> Bool { access.allows(action) && access.allows(queue) }

    /// - Throws: ``Problem`` `forbidden`.
    func require(_ action: JobRoutes.Action, _ queue: QueueName) throws(Problem) {
        guard allows(action, queue) else {
            throw Problem(.forbidden, "forbidden", "your token does not let you do this with the queue \(queue): use one that does")
        }
    }
}

/// Who lets people in.
package protocol PageGate: Sendable {
    /// The token that a request shows by itself, as programs do.
    func bearer(of head: HTTPRequest) -> String?
    /// What the bearer of a token may do; nil for a token that is none.
    /// - Throws: ``Problem`` when there were too many wrong ones: nothing is known of this one then.
    func access(by token: String) throws(Problem) -> PageAccess?
}
