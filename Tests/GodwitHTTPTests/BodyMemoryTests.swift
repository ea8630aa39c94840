import GodwitCore
import GodwitHTTP
import GodwitServer
import GodwitWire
import HTTPTestSupport
import Synchronization
import Testing

@Suite("What a request holds while it waits", .timeLimit(.minutes(1)))
struct BodyMemoryTests {
    /// Keeps a payload, and can tell whether anybody else has it still: whoever changes bytes that are shared changes a copy of them.
    private final class Payload: Sendable {
        private let bytes = Mutex<ArraySlice<UInt8>>([])

        func keep(_ payload: Bytes) { bytes.withLock { $0 = payload.slice } }

        var isShared: Bool {
            bytes.withLock { bytes in
                func address() -> UnsafeRawPointer? { bytes.withUnsafeBytes { $0.baseAddress } }
                let before = address()
                bytes.withUnsafeMutableBytes { $0[0] = $0[0] }
                return address() != before
            }
        }
    }

    @Test("whoever waits for a job's end holds nothing of its payload")
    func publishing() async throws {
        let payload = Payload(), shared = Mutex<Bool?>(nil)
        let engine = try await TestServer.engine()
        var broker = HookedBroker(engine)
        // Its answer holds none of it, either.
        broker.onCommit = { transactions in
            if case .enqueue(let message)? = transactions.first?.operations.first { payload.keep(message.payload.bytes) }
        }
        broker.onWatch = {
            // The engine lets go of what it decided on when it decides on something else.
            for _ in 0..<2 { _ = try? await engine.commit(.enqueue(NewMessage(queue: QueueName("other"), payload: Content("1")))) }
            shared.withLock { $0 = payload.isShared }
        }
        try await TestServer.run(broker: broker) { server in
            let body = "\"" + String(repeating: "x", count: 100_000) + "\""
            let reply = try await server.post("/v1/queues/q/jobs", body, headers: [("Prefer", "wait=1")])
            #expect(reply.status == 202)
            #expect(shared.withLock { $0 } == false)
        }
    }

    @Test("names to lease from count as the body that they are, as long as the request waits")
    func leasing() async throws {
        let names = (0..<Limits.queuesPerHolder).map { "a-queue-with-a-name-\($0)" }
        let holder = HolderOptions(id: HolderID("h"), queues: try names.map { try QueueName($0) }, capacity: 1, isEmbedded: false)
        let body = Wire.encode(LeaseRequest(holder: holder, max: 1, term: .fixed(.seconds(60)), wait: .seconds(30)))
        var options = ServerOptions()
        // A publish's body does not fit beside it.
        options.limits.allBodiesBytes = body.count + 1_000
        try await TestServer.run(options) { server in
            let waiting = try await server.connect()
            try await waiting.request("POST", "/v1/leases", headers: [("Content-Type", WireFormat.mediaType)], body: body)
            let large = "\"" + String(repeating: "x", count: 2_000) + "\""
            try await server.eventually { try await server.post("/v1/queues/q/jobs", large).status == 503 }
            try await waiting.close()
            try await server.eventually { try await server.post("/v1/queues/q/jobs", large).status == 202 }
        }
    }
}
