import Godwit

struct Greeting: Job {
    typealias Output = String
    static let name = "greeting"
    var person: String
}

let jobs = try await JobClient.open("embedded:./data")  // a folder; no server
var worker = Worker(jobs, concurrency: 4)
worker.handle(Greeting.self, retry: .exponential(maxAttempts: 5)) { job, context in
    "Hello, \(job.person)!"
}
let running = Task { [worker] in try await worker.run() }

let job = try await jobs.enqueue(Greeting(person: "Ada"))
print("on disk as", job.id)
print(try await job.result())

running.cancel()
try await running.value
await jobs.close()
