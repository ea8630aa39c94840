import Foundation
import Godwit

struct Greeting: Job {
    typealias Output = String
    static let name = "greeting"
    var person: String
}

// snippet.web
let server = ProcessInfo.processInfo.environment["GODWIT_SERVER"] ?? "http://127.0.0.1:8080"
let jobs = try await JobClient.open(server)

let job = try await jobs.enqueue(Greeting(person: "Ada"))
print("on the server's disk as", job.id)  // here a web handler has answered its user
print(try await job.result())
await jobs.close()
// snippet.end
