import Foundation
import GodwitCore
import GodwitHTTP
import HTTPTypes

/// Publishes each line of standard input as a job, in batches, in order.
struct LinePublisher {
    let store: Store
    let queue: String
    let options: [(name: String, value: String)]
    let contentType: String?
    let retry: RetryPolicy
    let asJSON: Bool

    func run() async throws {
        var published = 0
        for await batch in LineBatches.read(
            limits: .batch,
            encode: { [options, contentType] line in
                if contentType == Content.json, !JSONValue.isValid(Bytes(line)) { throw CommandFailure.usage("it is not JSON") }
                return NewJob(payload: line, contentType: contentType, options: options).batchItem
            }
        ) {
            do {
                let jobs = try await publish(batch)
                published += jobs.count
                for job in jobs { try Output.line(asJSON ? job.text : job["id"]?.string ?? "") }
            } catch var failure as CommandFailure {
                Output.endProgress()
                // What became of a request whose answer was lost is not known: whoever goes on here may publish these twice.
                let these = failure.isRefusal ? "none of these was published; " : ""
                failure.message = "\(batch.name): \(failure.message) (\(these)\(published) before them were published)"
                throw failure
            }
            if var failure = batch.failure {
                Output.endProgress()
                failure.message += " (\(published) lines before it were published)"
                throw failure
            }
            Output.progress("\(published) published")
            batch.done()
        }
        Output.endProgress()
    }

    private func publish(_ batch: LineBatches.Batch) async throws -> [JSONValue] {
        guard !batch.items.isEmpty else { return [] }
        var body: [UInt8] = [UInt8(ascii: "[")]
        body.reserveCapacity(batch.items.reduce(2) { $0 + $1.count + 1 })
        for (index, item) in batch.items.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body += item
        }
        body.append(UInt8(ascii: "]"))
        var request = StoreRequest(.post, ["v1", "queues", queue, "jobs", "batch"], body: body)
        request.join(TraceContext(environment: ProcessInfo.processInfo.environment))
        request.headers[.contentType] = Content.json
        let answer = try await retry.run(waiting: PublishCommand.sayWaiting) { try await store.json(request) }
        guard let jobs = answer["jobs"]?.elements else { throw CommandFailure.notGodwit(store.transport.description) }
        return jobs
    }
}
