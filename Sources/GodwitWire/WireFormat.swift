/// The frames in which Godwit's own clients and its server speak: `application/vnd.godwit.batch`, described byte by byte in
/// `docs/batch-format.md`.
///
/// A document is a preamble of 8 bytes and then frames: a kind, the length of what follows, and that. Frames stand inside each other. What a later
/// minor version adds stands at the end of a frame, where an earlier reader does not look, or is a frame of an ancillary kind, which it passes over;
/// everything else that it does not know it refuses.
package enum WireFormat {
    /// What `Content-Type` and `Accept` say.
    package static let mediaType = "application/vnd.godwit.batch"
    /// Another one cannot be read.
    package static let major: UInt8 = 1
    /// A higher one can: what it added is passed over.
    package static let minor: UInt8 = 0

    static let magic: [UInt8] = [0x47, 0x57, 0x42, 0x54]
    static let preambleBytes = 8
    /// A frame's kind and length.
    static let frameHeaderBytes = 5
    /// How deep frames can stand inside each other: what follows a job's end may itself have something that follows, each two frames deeper.
    static let depth = 40
    /// Items that all lists of a document can have together, and how many of them an operation, a call and a watch or a renewal count as: what
    /// takes five bytes here may take hundreds where it is read.
    static let items = 1 << 20
    static let itemsOfOperation = 4, itemsOfCall = 32, itemsOfWatch = 4
}

/// What a document holds.
enum Document: UInt8 {
    case commit = 1, outcomes, lease, deliveries, renew, renewals, calls, answers, watches, watchStream, error
}

/// What a frame holds. Kinds from ``ancillary`` on may be passed over by whoever does not know them.
enum Kind {
    static let ancillary: UInt8 = 0xc0

    static let session: UInt8 = 0x01, transaction: UInt8 = 0x02, error: UInt8 = 0x03

    static let enqueue: UInt8 = 0x10, complete: UInt8 = 0x11, fail: UInt8 = 0x12, release: UInt8 = 0x13, deadLetter: UInt8 = 0x14
    static let cancel: UInt8 = 0x15, retry: UInt8 = 0x16, redrive: UInt8 = 0x17, forget: UInt8 = 0x18, put: UInt8 = 0x19
    static let add: UInt8 = 0x1a, delete: UInt8 = 0x1b, followUp: UInt8 = 0x1f

    static let committed: UInt8 = 0x20, aborted: UInt8 = 0x21
    static let enqueued: UInt8 = 0x28, duplicate: UInt8 = 0x29, state: UInt8 = 0x2a, forgotten: UInt8 = 0x2b, versioned: UInt8 = 0x2c
    static let added: UInt8 = 0x2d, deleted: UInt8 = 0x2e

    static let leaseRequest: UInt8 = 0x30, delivery: UInt8 = 0x31, holder: UInt8 = 0x32, renewal: UInt8 = 0x33
    static let good: UInt8 = 0x34, cancelRequested: UInt8 = 0x35, stale: UInt8 = 0x36, unreachable: UInt8 = 0x37

    static let job: UInt8 = 0x40, jobUnknown: UInt8 = 0x41, jobForgotten: UInt8 = 0x42, record: UInt8 = 0x43, noRecord: UInt8 = 0x44
    static let content: UInt8 = 0x45, noContent: UInt8 = 0x46, queue: UInt8 = 0x47, noQueue: UInt8 = 0x48, browsed: UInt8 = 0x49

    static let readJobs: UInt8 = 0x50, readRecords: UInt8 = 0x51, readPayload: UInt8 = 0x52, readResult: UInt8 = 0x53
    static let browse: UInt8 = 0x54, list: UInt8 = 0x55, readQueues: UInt8 = 0x56, readQueue: UInt8 = 0x57, configure: UInt8 = 0x58
    static let pause: UInt8 = 0x59, resume: UInt8 = 0x5a, purge: UInt8 = 0x5b, deleteQueue: UInt8 = 0x5c, check: UInt8 = 0x5d

    static let jobs: UInt8 = 0x60, records: UInt8 = 0x61, anyContent: UInt8 = 0x62, browsePage: UInt8 = 0x63, jobPage: UInt8 = 0x64
    static let queues: UInt8 = 0x65, anyQueue: UInt8 = 0x66, purged: UInt8 = 0x67, done: UInt8 = 0x68

    static let watchJob: UInt8 = 0x70, watchRecord: UInt8 = 0x71, unwatch: UInt8 = 0x72
    static let opened: UInt8 = 0x78, unchanged: UInt8 = 0x79, changed: UInt8 = 0x7a, refused: UInt8 = 0x7b, alive: UInt8 = 0x7c
    static let closing: UInt8 = 0x7d
}
