import GodwitCore
import GodwitHTTP
import HTTPTypes

/// What is done to all jobs that a filter lets through, the oldest first; what is published meanwhile is left alone.
struct BulkChange {
    enum Deed: String {
        case cancel, retry, forget

        /// The states in which it can be done to a job.
        var states: [JobState] {
            switch self {
            case .cancel: [.queued, .scheduled, .running, .retrying]
            case .retry: [.failed, .cancelled, .expired, .scheduled, .retrying]
            case .forget: [.succeeded, .failed, .cancelled, .expired]
            }
        }
    }

    let deed: Deed
    let state: String
    let queue: String?
    let name: String?

    /// What it is done to, as people say it.
    var words: String {
        let queue = queue.map { " of \(JobText.printable($0))" } ?? "", name = name.map { " called \(JobText.printable($0))" } ?? ""
        return "jobs\(queue)\(name) that are \(state)"
    }

    private var query: [(String, String)] {
        [("state", state)] + (queue.map { [("queue", $0)] } ?? []) + (name.map { [("name", $0)] } ?? [])
    }

    /// When the newest of them was made; nil when there is none.
    func newest(in store: Store) async throws -> String? {
        var cursor: String?
        repeat {
            let page = try await store.jobs(query, limit: 1, cursor: cursor)
            if let job = page.jobs.first { return job["created_at"]?.string }
            cursor = page.next
        } while cursor != nil
        return nil
    }

    /// How many there are: from kept counts, but by their name, which needs a look at each.
    func count(in store: Store) async throws -> Int {
        guard name != nil else {
            let queues = if let queue { [try await store.queue(queue)] } else { try await store.queues() }
            return queues.reduce(0) { $0 + ($1["counts"]?[state]?.integer ?? 0) }
        }
        var count = 0, cursor: String?
        repeat {
            let page = try await store.jobs(query, limit: Limits.page, cursor: cursor)
            count += page.jobs.count
            cursor = page.next
        } while cursor != nil
        return count
    }

    /// - Parameters:
    ///   - most: how many were asked about.
    ///   - newest: when the newest of those was made.
    /// - Returns: How many it was done to, and how many stayed.
    /// - Throws: ``CommandFailure`` for what would be so with all; those before were done.
    func run(in store: Store, atMost most: Int, madeUntil newest: String) async throws -> (done: Int, refused: Int) {
        var done = 0, refused = 0, cursor: String?
        while done + refused < most {
            let page = try await store.jobs(query + [("oldest", "true")], limit: min(Limits.page, most - done - refused), cursor: cursor)
            // Times are of one length, and so in the order of their texts.
            let known = page.jobs.filter { ($0["created_at"]?.string ?? "") <= newest }
            let ids = known.compactMap { $0["id"]?.string }
            if !ids.isEmpty {
                let changed = try await store.change(ids, deed)
                done += changed
                refused += ids.count - changed
            }
            cursor = page.next
            if cursor == nil { break }
        }
        return (done, refused)
    }
}

extension Store {
    /// Does the same to up to 1,000 jobs, each for itself.
    /// - Returns: To how many it was done.
    /// - Throws: ``CommandFailure`` for a disk that is full, say: it is so with all that follow.
    fileprivate func change(_ ids: [String], _ deed: BulkChange.Deed) async throws -> Int {
        let body = JSONWriter.bytes { json in
            json.object { json in
                json.key("transactions")
                json.array { json in
                    for id in ids {
                        json.object { json in
                            json.key("operations")
                            json.array { json in
                                json.object { json in
                                    json.key(deed.rawValue)
                                    json.string(id)
                                }
                            }
                        }
                    }
                }
            }
        }
        var request = StoreRequest(.post, ["v1", "commit"], body: body)
        request.headers[.contentType] = Content.json
        let outcomes = try await json(request)["outcomes"]?.elements ?? []
        if let failure = outcomes.first(where: { $0["status"]?.integer ?? 500 >= 500 })?["error"] {
            throw CommandFailure.failed(
                failure["detail"]?.string ?? "the store could not do it",
                code: failure["code"]?.string ?? "unavailable"
            )
        }
        return outcomes.count { $0["status"]?.integer == 200 }
    }
}
