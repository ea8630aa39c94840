import GodwitCore
import GodwitServer
import HTTPTestSupport
import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("Whoever downloads the store", .timeLimit(.minutes(1)))
struct DownloadTests {
    @Test("gets no more of it when his token is taken away, or is over", arguments: ["/backup", "/export"], [false, true])
    func tenure(path: String, isRevoked: Bool) async throws {
        let revoked = Latch(), now = Mutex(WallClock.now())
        let end = now.withLock { $0 } + .seconds(60)
        try await MountedRoutes.run { broker in
            JobRoutes(
                broker: broker,
                serving: Set(JobRoutes.Action.allCases),
                access: {
                    var grant = Grant(name: "ops", actions: Set(JobRoutes.Action.allCases))
                    grant.tenure = Tenure(end: end, revoked: revoked)
                    return .known(grant)
                },
                now: { now.withLock { $0 } }
            )
        } _: { server in
            // More than the network and all that lies on the way take, and than one page of an export.
            let payload = Content(Bytes([UInt8](repeating: 0x20, count: 1 << 20) + [0x31]))
            for _ in 0..<48 {
                _ = try await server.broker.commit(.enqueue(NewMessage(queue: try QueueName("q"), payload: payload)))
            }
            let connection = try await HTTPConnection.open(port: server.address.port, isNarrow: true)
            try await connection.stopReading()
            try await connection.request("GET", path)
            try await Task.sleep(for: .milliseconds(300))
            if isRevoked { revoked.set() } else { now.withLock { $0 = end } }
            try await connection.goOnReading()
            let head = try await connection.head()
            #expect(head.status == 200)
            #expect(try await connection.isClosedByServer(within: .seconds(20)))
            #expect(connection.receivedBytes < 40 << 20, "not the whole of it")
        }
    }
}
