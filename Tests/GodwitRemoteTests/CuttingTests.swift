import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitRemote

@Suite("Connections that are cut", .timeLimit(.minutes(3)))
struct CuttingTests {
    private static let faults: [CuttingProxy.Fault] = [
        .beforeRequest, .inRequest(after: 1), .inRequest(after: 150), .inRequest(after: 320), .beforeAnswer, .inAnswer(after: 1),
        .inAnswer(after: 60), .inAnswer(after: 200), .slowly(.milliseconds(50), pieces: 1), .slowly(.milliseconds(1), pieces: 7),
    ]

    @Test("a commit is carried out once, wherever its request or its answer is cut", arguments: [false, true])
    func commits(_ isFirst: Bool) async throws {
        for fault in Self.faults {
            try await RemoteFixture.serveThroughProxy { broker, proxy, server in
                // The first of a session, or a later one.
                if !isFirst { _ = try await broker.commit(try Operation.enqueue("before")) }
                proxy.arm(fault, at: "/v1/commit")
                let result = try await broker.commit(try Operation.enqueue("it"))
                let id = try #require(result.jobID)
                #expect(try await server.broker.payload(of: id).bytes.text == "it", "\(fault)")
                _ = try await broker.commit(try Operation.enqueue("after"))
                #expect(try await server.waiting() == (isFirst ? [] : ["before"]) + ["it", "after"], "\(fault)")
                #expect(proxy.met == 1)
            }
        }
    }

    @Test("commits that travel together are each carried out once, cut after cut")
    func manyCommits() async throws {
        try await RemoteFixture.serveThroughProxy { broker, proxy, server in
            proxy.takeChances(40, seed: 11)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 0..<20 {
                    group.addTask {
                        for turn in 0..<15 { _ = try await broker.commit(try Operation.enqueue("\(caller)-\(turn)")) }
                    }
                }
                try await group.waitForAll()
            }
            let waiting = try await server.waiting()
            #expect(waiting.count == 300)
            #expect(Set(waiting).count == 300)
            // Each caller's are in the order in which they were confirmed.
            for caller in 0..<20 {
                #expect(waiting.filter { $0.hasPrefix("\(caller)-") } == (0..<15).map { "\(caller)-\($0)" })
            }
            #expect(proxy.met > 0)
        }
    }

    @Test("a server that goes and comes back in time loses nothing")
    func away() async throws {
        try await RemoteFixture.serveThroughProxy { broker, proxy, server in
            _ = try await broker.commit(try Operation.enqueue("before"))
            proxy.cutAll(isDown: true)
            let ids = try await withThrowingTaskGroup { group in
                for number in 0..<10 { group.addTask { try await broker.commit(try Operation.enqueue("\(number)")).jobID } }
                group.addTask {
                    try await server.eventually { proxy.turnedAway >= 2 }
                    proxy.cutAll(isDown: false)
                    return nil
                }
                var ids: [JobID] = []
                for try await id in group { if let id { ids.append(id) } }
                return ids
            }
            #expect(ids.count == 10)
            #expect(try await server.waiting().count == 11)
        }
    }
}
