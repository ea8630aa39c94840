import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// A job's life as server-sent events (WHATWG HTML, section 9.2): its current state first, then each change, until it is final.
///
/// `event` is `progress` where nothing but progress changed, else `state`; `data` is the job's JSON and `id` its version. Changes that come
/// faster than the client reads are coalesced by the broker, so a slow client costs no memory.
struct EventStream: Sendable {
    let job: JobSnapshot
    let environment: RouteEnvironment
    let keepAlive: Duration
    /// Of whoever follows it.
    let tenure: Tenure

    var response: Response {
        let headers: HTTPFields = [
            .contentType: "text/event-stream", .cacheControl: "no-store", HTTPField.Name("X-Accel-Buffering")!: "no",  // a literal token
        ]
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody { writer in
                try await write(to: &writer)
                try await writer.finish(nil)
            }
        )
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(string: "retry: 1000\n\n"))
        try await writer.write(Self.event("state", job))
        var last = job
        let broker = environment.broker, interruptions = environment.interruptions + [tenure.revoked]
        while !last.state.isFinal, !interruptions.contains(where: { $0?.isSet == true }), !Task.isShuttingDownGracefully {
            let now = environment.now()
            guard !tenure.isOver(at: now) else { return }
            let wait = tenure.left(at: now, atMost: keepAlive)
            let known = WatchItem.job(last.id, known: last.version)
            let answer = try await interruptible(by: interruptions) {
                try await broker.watch([known], wait: wait).first
            }
            switch answer {
            case .job(.found(let job)):
                try await writer.write(Self.event(last.differsOnlyInProgress(from: job) ? "progress" : "state", job))
                last = job
            case .job: return
            default: try await writer.write(ByteBuffer(string: ": keep-alive\n\n"))
            }
        }
    }

    private static func event(_ name: String, _ job: JobSnapshot) -> ByteBuffer {
        var json = JSONWriter()
        json.job(job)
        var buffer = ByteBuffer(string: "event: \(name)\nid: \(job.version)\ndata: ")
        buffer.writeImmutableBuffer(json.buffer)
        buffer.writeStaticString("\n\n")
        return buffer
    }
}

extension JobSnapshot {
    fileprivate func differsOnlyInProgress(from other: JobSnapshot) -> Bool {
        var same = self
        same.progress = other.progress
        same.version = other.version
        return same == other
    }
}
