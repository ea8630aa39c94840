import GodwitCore
import GodwitHTTP
import HTTPTypes

/// What is done to all jobs that a filter lets through, the oldest first; what comes meanwhile is left alone.
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
        [("state", state), ("oldest", "true")] + (queue.map { [("queue", $0)] } ?? []) + (name.map { [("name", $0)] } ?? [])
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

    /// - Parameter most: how many were asked about.
    /// - Returns: How many it was done to, and how many stayed.
    func run(in store: Store, atMost most: Int) async throws -> (done: Int, refused: Int) {
        var done = 0, refused = 0, cursor: String?
        while done + refused < most {
            let page = try await store.jobs(query, limit: min(Limits.page, most - done - refused), cursor: cursor)
            let ids = page.jobs.compactMap { $0["id"]?.string }
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
        return try await json(request)["outcomes"]?.elements?.count { $0["status"]?.integer == 200 } ?? 0
    }
}
