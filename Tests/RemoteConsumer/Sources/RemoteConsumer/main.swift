import Godwit

struct Sum: Job {
    typealias Output = Int
    static let name = "sum"
    var numbers: [Int]
}

let jobs = try await JobClient.open(CommandLine.arguments[1])
var worker = Worker(jobs, concurrency: 1)
worker.handle(Sum.self) { job, _ in job.numbers.reduce(0, +) }
let running = Task { [worker] in try await worker.run() }

let job = try await jobs.enqueue(Sum(numbers: [5, 7]))
print("5 + 7 = \(try await job.result())")

running.cancel()
try await running.value
await jobs.close()
