import Godwit
import GodwitHTTP
import Hummingbird
import ServiceLifecycle

struct Thumbnail: Job {
    static let name = "thumbnail"
    var photo: String
}

let jobs = try await JobClient.open("embedded:./data")

// snippet.routes
let router = Router()
JobRoutes(jobs, serving: [.watch]).add(to: router.group("jobs"))

router.post("photos/:id") { request, context in
    let job = try await jobs.enqueue(Thumbnail(photo: context.parameters.require("id")))
    return Response(status: .accepted, headers: [.location: "/jobs/\(job.id)"])
}
// snippet.end

let app = Application(router: router)
let services = ServiceGroup(services: [jobs, app], gracefulShutdownSignals: [.sigterm], logger: app.logger)
try await services.run()
