import Foundation
import Godwit
import Logging
import ServiceLifecycle
import UnixSignals

// snippet.job
struct Greeting: Job {
    typealias Output = String
    static let name = "greeting"
    var person: String
}
// snippet.end

// snippet.worker
let server = ProcessInfo.processInfo.environment["GODWIT_SERVER"] ?? "http://127.0.0.1:8080"
let jobs = try await JobClient.open(server)

var worker = Worker(jobs, concurrency: 4)
worker.handle(Greeting.self) { job, _ in
    "Hello, \(job.person)! (from process \(ProcessInfo.processInfo.processIdentifier))"
}

let group = ServiceGroup(
    services: [jobs, worker],
    gracefulShutdownSignals: [.sigterm, .sigint],
    logger: Logger(label: "worker")
)
try await group.run()
// snippet.end

// snippet.quiet
/// Has the worker take no more jobs when the process gets SIGTSTP; as long as the source lives.
func quietOnSignal(_ worker: Worker) -> any DispatchSourceSignal {
    signal(SIGTSTP, SIG_IGN)  // else it would stop the process
    let source = DispatchSource.makeSignalSource(signal: SIGTSTP, queue: .global())
    source.setEventHandler { worker.quiet() }
    source.activate()
    return source
}
// snippet.end
