import GodwitCore
import Logging

@testable import Godwit

/// A logger that says nothing.
let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A delivery without a broker.
func delivery(
    _ token: String,
    name: String? = "job",
    attempt: Int = 1,
    maxAttempts: Int = 20,
    payload: Bytes = "{}",
    remaining: Duration = .seconds(10)
) throws -> Delivery {
    let job = JobSnapshot(
        id: JobID("job-\(token)"),
        queue: try QueueName("default"),
        name: name,
        state: .running,
        attempt: attempt,
        maxAttempts: maxAttempts,
        createdAt: Timestamp(milliseconds: 0),
        version: Version(1)
    )
    return Delivery(
        token: LeaseToken(token),
        job: job,
        payload: Content(payload),
        headers: [],
        timeout: nil,
        remaining: remaining,
        deliveries: attempt,
        fencingNumber: 7
    )
}

func attempt(_ token: String, remaining: Duration = .seconds(10)) throws -> Attempt {
    Attempt(try delivery(token, remaining: remaining), handler: nil, logger: quiet) { _ in }
}
