import GodwitCore
import GodwitHTTP

/// Something that is done to all jobs that a filter lets through, a page of them at a time, oldest first. Jobs that are published after somebody was
/// asked are left alone.
struct BulkDeed: Sendable {
    /// Jobs that one step looks at.
    private static let step = Limits.page

    let deed: Deed
    let filter: JobFilter

    /// Whether it can be done to jobs in these states at all; nil for all of them.
    static func fits(_ deed: Deed, _ state: JobState?) -> Bool {
        switch (deed, state) {
        case (.redriveThese, nil): true
        case (.redriveThese, let state?): [.failed, .expired, .queued, .scheduled, .retrying].contains(state)
        case (.retryThese, let state?): state.isFinal && state != .succeeded || state == .scheduled || state == .retrying
        case (.cancelThese, let state?): !state.isFinal
        default: false
        }
    }

    /// - Throws: ``Problem`` when it does not fit the filter.
    init(_ deed: Deed, _ filter: JobFilter) throws(Problem) {
        guard deed.subject == .jobs, Self.fits(deed, filter.state) else {
            throw Problem.invalid("state", "this cannot be done to these jobs: go back and choose their state")
        }
        self.deed = deed
        self.filter = filter
    }

    /// Whether it is done to this one, as far as its snapshot tells. It is asked about jobs that the filter lets through.
    private func includes(_ job: JobSnapshot) -> Bool {
        guard deed == .redriveThese else { return true }
        return job.isDeadLetter(in: job.queue, nil)
    }

    private func operation(_ id: JobID) -> Operation {
        switch deed {
        case .cancelThese: .cancel(id)
        case .retryThese: .retry(id)
        default: .redrive(id)
        }
    }

    /// Whether it would fail for this one, whose dead letter is to be redriven where it went.
    private func isElsewhere(_ job: JobSnapshot) -> Bool { deed != .cancelThese && job.isDeadLettered }

    /// What it would be done to.
    struct Forecast: Sendable {
        var count: Int
        /// Those among the jobs of the filter that are known to stay, because their dead letters went to another queue.
        var elsewhere = 0
        /// Whether all were counted.
        var isWhole: Bool
        /// Whether each was looked at: the queues' kept numbers do not say which dead letters went elsewhere.
        var isExact = true
        /// Behind the newest job that is meant.
        var end: String
    }

    /// Counts as long as patience lasts.
    func forecast(_ queues: SeenQueues, _ broker: any Broker, _ access: PageAccess, patience: Duration) async throws -> Forecast {
        var query = filter.query(limit: 1)
        query.isOldestFirst = true
        if deed != .redriveThese, let count = filter.count(in: queues.queues) {
            return Forecast(count: count, isWhole: true, isExact: false, end: try await queues.list(query, broker, access).end)
        }
        let end = ContinuousClock.now + patience
        query.limit = Self.step
        var forecast = Forecast(count: 0, isWhole: true, end: "")
        repeat {
            let page = try await queues.list(query, broker, access)
            if query.end == nil {
                query.end = page.end
                forecast.end = page.end
            }
            let jobs = page.jobs.filter(includes), elsewhere = jobs.count(where: isElsewhere)
            forecast.count += jobs.count - elsewhere
            forecast.elsewhere += elsewhere
            query.cursor = page.next
        } while query.cursor != nil && ContinuousClock.now < end
        forecast.isWhole = query.cursor == nil
        return forecast
    }

    /// How far it has come.
    struct Progress: Sendable {
        var done = 0
        var refused = 0
        /// To how many more it may be done, for so many were counted; nil where not all were.
        var left: Int?
        /// Where it goes on; nil when it is over, has not begun, or is to be asked about anew.
        var cursor: String?
        /// Whether there are more jobs than were counted.
        var isOutgrown = false
        /// What stopped it.
        var failure: BrokerError?

        var isOver: Bool { cursor == nil && !isOutgrown && failure == nil }
    }

    /// Does it as long as one press may, and to no more jobs than were counted: others may have come into the state since.
    /// - Parameters:
    ///   - end: of the forecast that was shown.
    ///   - note: is told of each step, for the next one may fail.
    func run(
        _ progress: Progress,
        end: String,
        _ queues: SeenQueues,
        _ broker: any Broker,
        _ access: PageAccess,
        for time: Duration,
        note: (Int) -> Void
    ) async -> Progress {
        var progress = progress
        var query = filter.query(limit: Self.step)
        query.isOldestFirst = true
        query.end = end
        query.cursor = progress.cursor
        let over = ContinuousClock.now + time
        repeat {
            do throws(BrokerError) {
                let page = try await queues.list(query, broker, access)
                let all = page.jobs.filter(includes)
                let possible = all.filter { !isElsewhere($0) }
                let jobs = possible.prefix(progress.left ?? .max)
                let tally = BulkTally(try await broker.commit(each: jobs.map { operation($0.id) }))
                if tally.done > 0 { note(tally.done) }
                progress.done += tally.done
                if let failure = tally.failure {
                    // This step is taken again, and what stays is counted then.
                    progress.left? -= tally.done
                    throw failure
                }
                progress.left? -= jobs.count
                guard jobs.count == possible.count else {
                    progress.isOutgrown = true
                    query.cursor = nil
                    break
                }
                progress.refused += tally.refused + all.count - possible.count
                query.cursor = page.next
            } catch {
                progress.failure = error
                break
            }
        } while query.cursor != nil && ContinuousClock.now < over
        progress.cursor = query.cursor
        return progress
    }
}
