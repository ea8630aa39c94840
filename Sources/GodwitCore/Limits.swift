/// The limits on what a peer controls. A broker refuses what is over a limit with `invalidArgument` or `tooLarge`; it never truncates,
/// but for error texts (``Limits/errorMessage``), which it cuts.
package enum Limits {
    /// Operations in one transaction.
    package static let operations = 1_000
    /// Bytes of all payloads, results, headers and values in one transaction.
    package static let transactionBytes = 16 << 20
    /// Bytes of a queue's name.
    package static let queueName = 200
    /// Bytes of a job's name.
    package static let jobName = 200
    /// Bytes of a holder's name.
    package static let holderName = 200
    /// Bytes of a media type.
    package static let contentType = 200
    /// Bytes of an idempotency key.
    package static let key = 512
    /// Bytes of a group's name and of a claim.
    package static let group = 200
    package static let claim = 512
    /// Bytes of a session's id, outcomes that are kept of one, how long one lives after its last request, and how many there may be.
    package static let sessionName = 64
    package static let sessionOutcomes = 4_096
    package static let sessionLife: Duration = .seconds(600)
    package static let sessions = 10_000
    /// Headers of a job, and bytes of all their names and values.
    package static let headers = 64
    package static let headerBytes = 16 << 10
    /// Bytes of a record's key and value.
    package static let recordKey = 512
    package static let recordValue = 1 << 20
    /// Bytes of a counter's name, and of a step's id, steps that one counter tells apart, and the highest number that one counts up to.
    package static let counterName = 200
    package static let step = 512
    package static let steps = 100_000
    package static let counterTarget = 1_000_000_000
    /// How long a counter is kept after its latest step when nobody says it.
    package static let counterLifetime: Duration = .seconds(30 * 86_400)
    /// Operations that follow a job's end or a full counter, their bytes, and how deep they may stand inside each other.
    package static let followUps = 100
    package static let followUpBytes = 1 << 20
    package static let followUpDepth = 8
    /// Bytes of an error's text and code; longer ones are cut at a character's boundary.
    package static let errorMessage = 4_096
    package static let errorCode = 100
    /// Bytes of a progress note.
    package static let progressNote = 1_024
    /// Attempts whose errors are kept with a job.
    package static let errorsKept = 10
    /// Lines of a dead letter's history.
    package static let deaths = 16
    /// Attempts that a publisher or a queue can allow.
    package static let maxAttempts = 1_000
    package static let defaultMaxAttempts = 20
    /// Jobs that one transaction can drop for its own.
    package static let drops = 1_000
    /// Leases that one call can ask for, and jobs that one page can hold.
    package static let leases = 1_000
    /// Bytes of all payloads that one call for leases is answered with; one job is given whatever its size.
    package static let leaseBytes = 16 << 20
    package static let page = 1_000
    /// Jobs that one page looks at, at most.
    package static let pageScan = 10_000
    /// Queues that one holder or call can name.
    package static let queuesPerHolder = 1_000
    /// The longest delay, expiry, timeout, retention or window.
    package static let longestDuration: Duration = .seconds(3_650 * 86_400)
    /// The last millisecond of the year 9999, which RFC 3339 can still write.
    package static let latestTime = Timestamp(milliseconds: 253_402_300_799_999)
    /// What RFC 3339 can write: its years have four digits.
    package static let times = Timestamp(milliseconds: -62_167_219_200_000)...latestTime
    /// The longest lease, and the shortest.
    package static let longestLease: Duration = .seconds(12 * 3_600)
    package static let shortestLease: Duration = .milliseconds(100)
}
