public import Foundation
public import GodwitCore

/// A job that was enqueued: its id, with what can be asked and done about it.
///
/// A handle is a small value. Keep the ``id`` (in a URL, in a database) and get a new handle from
/// ``JobClient/handle(for:id:)`` wherever it is needed.
public struct JobHandle<J: Job>: Sendable, Identifiable {
    /// The job's id, good in any process that opens the store.
    public let id: JobID
    let client: JobClient

    /// The job as it stands now.
    /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`, or that the store cannot be read; `CancellationError`.
    public var status: JobStatus {
        get async throws { JobStatus(try await client.snapshot(of: id)) }
    }

    /// The job's states as they come, the current one first. Whoever is slow sees the latest only; ends after a final state.
    public var updates: JobUpdates { JobUpdates(broker: client.broker, id: id) }

    /// A URL by which a user's browser follows this job for a while, and nothing else: its events, without a token (`EventSource` sends no headers).
    /// The same with `/result` in place of `/events` gives its result once there is one.
    ///
    /// ```swift
    /// let url = try await job.watchURL(lifetime: .seconds(600))
    /// // in the page: new EventSource(url)
    /// ```
    /// - Parameter lifetime: 1 second to 7 days.
    /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`, `invalidArgument` (`lifetime`), `unsupportedURL` where no server has the store (there
    ///   mount `JobRoutes`, and decide yourself who may follow what), or that the server cannot be reached; `CancellationError`.
    /// - Note: It begins as this client reaches the server: open the URL that users' browsers can reach, too.
    public func watchURL(lifetime: Duration = .seconds(3_600)) async throws -> URL {
        guard let server = client.broker as? any TicketGiving else {
            throw BrokerError(
                .unsupportedURL,
                "only a server gives URLs that show one job: open http://… or https://…, or mount JobRoutes in your own server",
                field: "url"
            )
        }
        let text = try await asking { () async throws(BrokerError) in try await server.watchURL(of: id, lifetime: lifetime) }
        guard let url = URL(string: text) else { throw BrokerError(.unavailable, "the server gave a URL that is none: \(text)") }
        return url
    }

    /// Cancels the job, also while it runs: its handler's task is cancelled by the worker's next heartbeat, and whatever it returns is
    /// dropped. A job that is final stays as it is. Works in a task that was cancelled itself.
    /// - Returns: the state that the job is in now: `cancelled`, or the final state that it was in before.
    /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`, or that the store cannot be written.
    @discardableResult
    public func cancel() async throws -> JobState { try await client.change(.cancel(id), id) }

    /// Runs a failed, cancelled or expired job again under its id, with one more attempt allowed; one that is scheduled or retrying runs now.
    /// - Throws: ``BrokerError``: `wrongState` for a job that is queued, running or succeeded, `jobNotFound`, `jobForgotten`, or that the store
    ///   cannot be written.
    @discardableResult
    public func retry() async throws -> JobState { try await client.change(.retry(id), id) }
}

extension JobHandle where J.Output: Decodable {
    /// Waits until the job is final and gives what its handler returned.
    /// - Throws: ``JobError`` when the job failed, was cancelled or expired; ``BrokerError``: `jobNotFound`, `jobForgotten` (the job ended and
    ///   is no longer kept), or that the store cannot be read; `CancellationError`.
    public func result() async throws -> J.Output {
        let status = try await succeeded()
        let result = try await asking { () async throws(BrokerError) in try await client.broker.result(of: id) }
        guard let content = result else {
            throw JobError(
                .unreadableResult,
                "the job succeeded without a result: whoever ran it must return one for the output \(J.Output.self)",
                status: status
            )
        }
        do {
            return try JobCoding.decode(J.Output.self, from: content.bytes)
        } catch {
            throw JobError(
                .unreadableResult,
                "the job's result is no \(J.Output.self): see the cause, and who completed the job",
                status: status,
                cause: error
            )
        }
    }
}

extension JobHandle where J.Output == Void {
    /// Waits until the job has succeeded.
    /// - Throws: ``JobError`` when the job failed, was cancelled or expired; ``BrokerError``: `jobNotFound`, `jobForgotten` (the job ended and
    ///   is no longer kept), or that the store cannot be read; `CancellationError`.
    public func result() async throws { _ = try await succeeded() }
}

extension JobHandle {
    private func succeeded() async throws -> JobStatus {
        var last: JobStatus?
        for try await status in updates { last = status }
        guard let last else { throw CancellationError() }
        if let error = JobError(endedAs: last) { throw error }
        return last
    }
}
