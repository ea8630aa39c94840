import GodwitCore
import GodwitHTTP
import HTTPTypes

extension Store {
    /// What the store gave out with a lease.
    enum Leased: Sendable {
        case job(LeasedJob)
        /// A job that this worker cannot read, now or another time.
        case unreadable(lease: String, id: String)

        var lease: String {
            switch self {
            case .job(let job): job.lease
            case .unreadable(let lease, _): lease
            }
        }
    }

    /// Leases up to `max` jobs, waiting for the first one.
    /// - Throws: ``CommandFailure``; it ``CommandFailure/isUnusableAnswer`` when jobs may have been given out that nobody has now.
    func lease(queues: [String], max: Int, lease: Duration, wait: Duration, holder: String) async throws -> [Leased] {
        var request = StoreRequest(.post, ["v1", "leases"], timeout: wait + .seconds(30))
        request.query = queues.map { ("queue", $0) }
        request.query += [
            ("max", "\(min(max, Limits.leases))"), ("wait", wait.text), ("lease", lease.text), ("holder", holder),
        ]
        let answer = try await json(request)
        guard let leases = answer["leases"]?.elements else { throw CommandFailure.notGodwit(transport.description) }
        return try leases.map { lease in
            if let job = LeasedJob(lease) { return .job(job) }
            guard let token = lease["lease"]?.string else { throw CommandFailure.notGodwit(transport.description) }
            return .unreadable(lease: token, id: lease["job"]?["id"]?.string ?? "(without an id)")
        }
    }

    /// What a heartbeat found of one lease.
    enum Beat: Sendable {
        case good(String)
        case cancelled(String)
        case lost(String, why: String)
    }

    /// Renews leases; one answer each.
    func extend(_ leases: [String], by lease: Duration, timeout: Duration) async throws -> [Beat] {
        var beats: [Beat] = []
        for start in stride(from: 0, to: leases.count, by: Limits.leases) {
            let part = leases[start..<min(start + Limits.leases, leases.count)]
            var request = StoreRequest(.post, ["v1", "leases", "batch"], timeout: timeout)
            request.headers[.contentType] = Content.json
            request.body = JSONWriter.bytes { json in
                json.array { json in
                    for token in part {
                        json.object { json in
                            json.member("lease", token)
                            json.member("extend", lease.text)
                        }
                    }
                }
            }
            let answer = try await json(request)
            guard let results = answer["results"]?.elements else { throw CommandFailure.notGodwit(transport.description) }
            beats += results.compactMap(Self.beat)
        }
        return beats
    }

    private static func beat(_ result: JSONValue) -> Beat? {
        guard let lease = result["lease"]?.string else { return nil }
        if result["cancel_requested"]?.bool == true { return .cancelled(lease) }
        guard let error = result["error"] else { return .good(lease) }
        // Only a stale lease is lost; a server that cannot say now may say so at the next beat.
        guard error["code"]?.string == BrokerError.Code.staleLease.rawValue || result["status"]?.integer == 409 else { return nil }
        return .lost(lease, why: "its lease was lost: it was cancelled, timed out or given to another worker")
    }

    /// Says how a job ended.
    func settle(_ lease: String, _ settlement: JobEnding) async throws {
        switch settlement {
        case .complete(let result):
            // Without a content type the store takes JSON for JSON, text for text and all else for bytes.
            let request = StoreRequest(.post, ["v1", "leases", lease, "complete"], body: result)
            try await send(request)
        case .fail(let message, let code, let isFinal):
            var request = StoreRequest(.post, ["v1", "leases", lease, "fail"])
            request.body = JSONWriter.bytes { json in
                json.object { json in
                    json.key("error")
                    json.object { json in
                        json.member("message", message)
                        json.member("code", code)
                    }
                    if isFinal { json.member("retry", false) }
                }
            }
            request.headers[.contentType] = Content.json
            try await send(request)
        case .release: try await send(StoreRequest(.post, ["v1", "leases", lease, "release"]))
        case .nothing: break
        }
    }

    /// Gives back all that a holder holds.
    func release(holder: String) async throws { try await send(StoreRequest(.delete, ["v1", "holders", holder], timeout: .seconds(5))) }
}
