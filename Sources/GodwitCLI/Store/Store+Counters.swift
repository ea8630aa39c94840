import GodwitCore
import GodwitHTTP
import HTTPTypes

extension Store {
    /// Counts a step.
    func add(to counter: String, _ step: [UInt8]) async throws -> JSONValue {
        var request = StoreRequest(.post, ["v1", "counters", counter], body: step)
        request.headers[.contentType] = Content.json
        return try await json(request)
    }

    /// A counter as it stands, or, however long that takes, when it is full.
    func counter(_ name: String, whenComplete: Bool) async throws -> JSONValue {
        while true {
            let asked = ContinuousClock.now
            var request = StoreRequest(.get, ["v1", "counters", name])
            if whenComplete { request.prefer(wait: Self.longPoll) }
            let counter = try await json(request)
            if !whenComplete || counter["complete"]?.bool != false { return counter }
            // A server that is stopping does not hold its answers: it is not asked again and again until it is gone.
            if asked.duration(to: .now) < Self.pause { try await Task.sleep(for: Self.pause) }
        }
    }

    func delete(counter: String) async throws { try await send(StoreRequest(.delete, ["v1", "counters", counter])) }
}
