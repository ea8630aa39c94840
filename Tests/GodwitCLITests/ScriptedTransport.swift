import HTTPTypes
import Synchronization

@testable import GodwitCLI

/// A store that answers what a test says, and remembers what it was asked.
final class ScriptedTransport: Transport {
    let description = "http://test"
    let requests = Mutex<[StoreRequest]>([])
    private let answer: @Sendable (StoreRequest, Int) throws -> StoreResponse

    init(_ answer: @escaping @Sendable (StoreRequest, Int) throws -> StoreResponse) { self.answer = answer }

    func send(_ request: StoreRequest) async throws -> StoreResponse {
        let number = requests.withLock { requests in
            requests.append(request)
            return requests.count
        }
        return try answer(request, number)
    }

    func stream(_ request: StoreRequest, receive: @escaping @Sendable (ArraySlice<UInt8>) async throws -> Void) async throws
        -> StoreResponse
    {
        let response = try await send(request)
        if response.status == .ok { try await receive(response.body[...]) }
        return response
    }

    func close() async {}
}

extension StoreResponse {
    init(_ status: HTTPResponse.Status, _ body: String, headers: HTTPFields = [:]) {
        self.init(status: status, headers: headers, body: Array(body.utf8))
    }
}
