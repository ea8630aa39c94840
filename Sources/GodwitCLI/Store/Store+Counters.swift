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
        var request = StoreRequest(.get, ["v1", "counters", name])
        if whenComplete { request.prefer(wait: Self.longPoll) }
        let asked = request
        return try await polling {
            try await json(asked)
        } until: {
            !whenComplete || $0["complete"]?.bool != false
        }
    }

    func delete(counter: String) async throws { try await send(StoreRequest(.delete, ["v1", "counters", counter])) }
}
