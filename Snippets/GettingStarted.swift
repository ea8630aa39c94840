import Foundation
import Godwit
import GodwitTesting
import Logging
import ServiceLifecycle
import Testing

// snippet.job
struct Thumbnail: Job {
    typealias Output = URL  // default: Void
    static let name = "thumbnail"
    static let timeout = Duration.seconds(120)
    var photo: String
}
// snippet.end

struct Trends: Job {
    static let name = "trends"
    var until: Date
}

struct Images: Sendable {
    func resize(_ photo: String) async throws -> URL { URL(fileURLWithPath: photo) }
}

func serve(_ images: Images, logger: Logger) async throws {
    // snippet.worker
    let jobs = try await JobClient.open("embedded:./data")

    var worker = Worker(jobs, concurrency: 4)
    worker.handle(Thumbnail.self, retry: .exponential(maxAttempts: 5)) { job, context in
        try await context.progress(0.5, "resizing")
        return try await images.resize(job.photo)
    }
    worker.schedule("trends", .cron("*/5 * * * *", in: "Europe/Berlin")) { due in Trends(until: due) }

    let group = ServiceGroup(services: [jobs, worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await group.run()
    // snippet.end
}

func enqueue(_ id: String, on jobs: JobClient) async throws -> JobHandle<Thumbnail> {
    // snippet.enqueue
    let job = try await jobs.enqueue(Thumbnail(photo: id), key: id)
    // snippet.end
    // snippet.follow
    let url = try await job.result()  // waits, throws JobError if the job failed
    for try await status in job.updates {  // or follow it: always the latest state
        print(status.state, status.progress?.fraction ?? 0)
    }
    let later = jobs.handle(for: Thumbnail.self, id: job.id)  // in another request
    // snippet.end
    print(url)
    return later
}

func publish(_ photo: String, using jobs: JobClient) async throws { try await jobs.enqueue(Thumbnail(photo: photo)) }

// snippet.test
@Test func aPhotoGetsAThumbnail() async throws {
    let jobs = try await TestJobs()
    var worker = Worker(jobs.client, concurrency: 1)
    worker.handle(Thumbnail.self) { job, _ in URL(fileURLWithPath: job.photo) }

    try await publish("cat.jpg", using: jobs.client)  // the code under test
    #expect(try await jobs.enqueued(Thumbnail.self).map(\.photo) == ["cat.jpg"])

    let attempts = try await jobs.advance(by: .seconds(60), running: worker)
    #expect(attempts.map(\.state) == [.succeeded])
}
// snippet.end
