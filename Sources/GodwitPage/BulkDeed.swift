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

    /// What it would be done to.
    struct Forecast: Sendable {
        var count: Int
        /// Whether all were counted.
        var isWhole: Bool
        /// Behind the newest job that is meant.
        var end: String
    }

    /// Counts as long as patience lasts.
    func forecast(_ queues: SeenQueues, _ broker: any Broker, _ access: PageAccess, patience: Duration) async throws -> Forecast {
        var query = filter.query(limit: 1)
        query.isOldestFirst = true
        if deed != .redriveThese, let count = filter.count(in: queues.queues) {
            return Forecast(count: count, isWhole: true, end: try await queues.list(query, broker, access).end)
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
            forecast.count += page.jobs.count(where: includes)
            query.cursor = page.next
        } while query.cursor != nil && ContinuousClock.now < end
        forecast.isWhole = query.cursor == nil
        return forecast
    }

    /// How far it has come.
    struct Progress: Sendable {
        var done = 0
        var refused = 0
        /// Where it goes on; nil when it is over, or has not begun.
        var cursor: String?
    }

    /// Does it as long as one press may.
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
    ) async throws -> Progress {
        var progress = progress
        var query = filter.query(limit: Self.step)
        query.isOldestFirst = true
        query.end = end
        query.cursor = progress.cursor
        let over = ContinuousClock.now + time
        repeat {
            let page = try await queues.list(query, broker, access)
            let outcomes = try await broker.commit(each: page.jobs.filter(includes).map { operation($0.id) })
            var done = 0
            for outcome in outcomes {
                switch outcome {
                case .success: done += 1
                case .failure(let error):
                    switch error.code {
                    // Somebody else was faster, or its dead letter is elsewhere.
                    case .wrongState, .jobForgotten, .jobNotFound: break
                    case .queueNotFound, .tooLarge, .invalidArgument: progress.refused += 1
                    default:
                        if done > 0 { note(done) }
                        throw error
                    }
                }
            }
            if done > 0 { note(done) }
            progress.done += done
            query.cursor = page.next
        } while query.cursor != nil && ContinuousClock.now < over
        progress.cursor = query.cursor
        return progress
    }
}
