import GodwitCore
import GodwitWire

extension Call {
    /// What its answer takes at most, about: nothing for one that is always small, and for one that tells of all queues, which are counted when
    /// they are known.
    /// - Parameter jobBytes: of the largest payload or result.
    func mostBytes(ofJob jobBytes: Int) -> Int {
        switch self {
        case .jobs(let ids): ids.count * JobSnapshot.mostBytes
        case .records(let keys): min(keys.count * Limits.recordValue, 2 * Limits.leaseBytes)
        case .payload, .result: jobBytes
        case .browse(let query): min(query.limit * (jobBytes + JobSnapshot.mostBytes), Limits.leaseBytes)
        case .list(let query): query.limit * JobSnapshot.mostBytes
        case .queues, .queue, .configure, .pause, .resume, .purge, .delete, .check: 0
        }
    }
}

extension QueueStatus {
    /// What one takes in an answer, about.
    static let mostBytes = 800
}

extension JobSnapshot {
    /// Of one with some errors and a past; few have more.
    static let mostBytes = 4 << 10

    /// What it takes in an answer, about.
    var size: Int {
        var size = 300 + queue.description.utf8.count + (name?.utf8.count ?? 0) + (group?.utf8.count ?? 0) + deaths.count * 300
        size += progress?.note?.utf8.count ?? 0
        for error in errors { size += 50 + error.message.utf8.count }
        return size
    }
}

extension JobLookup {
    /// One that is not known takes as much room in memory as one that is.
    var size: Int { snapshot?.size ?? 300 }

    /// With of a job what may be shown.
    func showing(_ show: (JobSnapshot) -> JobSnapshot) -> JobLookup { if case .found(let job) = self { .found(show(job)) } else { self } }
}

extension CallAnswer {
    /// What it takes in an answer, about.
    var size: Int {
        switch self {
        case .jobs(let lookups): lookups.reduce(0) { $0 + $1.size }
        case .records(let records): records.reduce(0) { $0 + 100 + ($1?.value.count ?? 0) }
        case .content(let content): content?.bytes.count ?? 0
        case .browsed(let page):
            page.jobs.reduce(0) { size, browsed in
                let headers = browsed.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
                return size + browsed.job.size + (browsed.payload?.bytes.count ?? 0) + headers
            }
        case .listed(let page): page.jobs.reduce(0) { $0 + $1.size }
        case .queues(let queues): queues.count * 400
        case .queue: 400
        case .purged, .done: 8
        case .refused(let error): 64 + error.message.utf8.count
        }
    }
}
