import Godwit
import GodwitHTTP
import Hummingbird
import ServiceLifecycle

struct Thumbnail: Job {
    static let name = "thumbnail"
    var photo: String
}

let jobs = try await JobClient.open("embedded:./data")
let secret = "0f2c1b7a5d"

// snippet.routes
let router = Router()
// GET /jobs/{id}, /jobs/{id}/result and /jobs/{id}/events
JobRoutes(jobs).add(to: router)

router.post("photos/:id") { request, context in
    let job = try await jobs.enqueue(Thumbnail(photo: context.parameters.require("id")))
    return Response(status: .accepted, headers: [.location: "/jobs/\(job.id)"])
}
// snippet.end

// snippet.authorize
// POST /internal/queues/{queue}/jobs, /internal/queues/{queue}/leases and so on
JobRoutes(jobs, serving: [.watch, .publish, .work]) { request, action in
    action == .watch || request.headers[.authorization] == "Bearer \(secret)"
}
.add(to: router.group("internal"))
// snippet.end

let app = Application(router: router)
let services = ServiceGroup(services: [jobs, app], gracefulShutdownSignals: [.sigterm], logger: app.logger)
try await services.run()
