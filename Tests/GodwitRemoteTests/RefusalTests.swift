import GodwitCore
import GodwitServer
import HTTPTestSupport
import NIOCore
import NIOPosix
import Testing

@testable import GodwitRemote

/// Servers that do not want, are not there, or are none.
@Suite("Servers that are of no use", .timeLimit(.minutes(2)))
struct RefusalTests {
    private static let token = "0123456789abcdef"

    private func error(_ body: () async throws -> Void) async -> BrokerError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? BrokerError
        }
    }

    /// What each way of asking comes to.
    private func errors(_ broker: RemoteBroker) async throws -> [BrokerError?] {
        let holder = try await broker.open(HolderOptions(id: HolderID("h"), queues: [try .work], capacity: 1, isEmbedded: false))
        return [
            await error { _ = try await broker.commit(try Operation.enqueue("1")) },
            await error { _ = try await broker.commit([Transaction(try .enqueue("1"))], in: SessionCommit(id: "s", number: 1)) },
            await error { _ = try await broker.read([JobID("1")]) },
            await error { _ = try await broker.queues() },
            await error { _ = try await holder.lease(max: 1, term: .queue, wait: .zero) },
            await error { _ = try await holder.renew([Renewal(LeaseToken("x"))]) },
            await error { _ = try await broker.watch([.job(JobID("1"), known: nil)], wait: .seconds(20)) },
        ]
    }

    @Test("a server that wants a token says so at once; with the token it is good")
    func token() async throws {
        var options = ServerOptions()
        options.token = Self.token
        try await TestServer.run(options) { server in
            try await RemoteFixture.run(server.address.url) { broker in
                for error in try await errors(broker) {
                    #expect(error?.code == .unauthorized && error?.field == "token")
                }
            }
            try await RemoteFixture.run(server.address.url, token: Self.token) { broker in
                _ = try await broker.commit(try Operation.enqueue("1"))
                try await broker.check()
            }
        }
    }

    @Test("where nobody listens the server is unavailable, in the time that a caller has patience for")
    func nobody() async throws {
        try await RemoteFixture.run("http://127.0.0.1:1") { configuration in
            configuration.connectPatience = .milliseconds(200)
            configuration.patience = .milliseconds(400)
        } _: { broker in
            for error in try await errors(broker) { #expect(error?.code == .unavailable) }
            let error = await error { _ = try await broker.purge(.work) }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a server that takes requests and never answers keeps nobody")
    func silence() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        try await RemoteFixture.run("http://127.0.0.1:\(listener.localAddress?.port ?? 0)") { configuration in
            configuration.requestTimeout = .milliseconds(100)
            configuration.connectPatience = .milliseconds(300)
            configuration.patience = .milliseconds(300)
        } _: { broker in
            let holder = try await broker.open(HolderOptions(id: HolderID("h"), queues: [try .work], capacity: 1, isEmbedded: false))
            async let commit = error { _ = try await broker.commit(try Operation.enqueue("1")) }
            async let read = error { _ = try await broker.read([JobID("1")]) }
            async let purge = error { _ = try await broker.purge(.work) }
            async let renewal = error { _ = try await holder.renew([Renewal(LeaseToken("x"))]) }
            async let watch = error { _ = try await broker.watch([.job(JobID("1"), known: Version(1))], wait: .milliseconds(200)) }
            async let closing = error { try await holder.close() }
            let codes = await [commit?.code, read?.code, purge?.code, renewal?.code, closing?.code, watch?.code]
            // Of the watch's job nothing new is known when its wait is over.
            #expect(codes == [.outcomeUnknown, .unavailable, .outcomeUnknown, .unavailable, .unavailable, nil])
        }
        try await listener.close()
    }

    @Test("what is no Godwit server is said to be none")
    func somebodyElse() async throws {
        try await TestServer.run { server in
            try await RemoteFixture.run(server.address.url + "/elsewhere") { broker in
                for error in try await errors(broker) { #expect(error?.code == .unsupportedURL && error?.field == "url") }
            }
        }
    }

    @Test("an encrypted connection to a server without TLS does not come about")
    func noTLS() async throws {
        try await TestServer.run { server in
            try await RemoteFixture.run("https://127.0.0.1:\(server.address.port)") { configuration in
                configuration.connectPatience = .milliseconds(100)
            } _: { broker in
                let error = await error { try await broker.check() }
                #expect(error?.code == .unavailable && error?.message.contains("TLS") == true, "\(String(describing: error))")
            }
        }
    }

    @Test("trust roots that cannot be read are refused")
    func trustRoots() async throws {
        let error = await error {
            try await RemoteFixture.run("https://localhost") {
                $0.trustRoots = .pem(Array("nonsense".utf8))
            } _: { _ in
            }
        }
        #expect(error?.code == .invalidArgument && error?.field == "trustRoots")
        let missing = await self.error {
            try await RemoteFixture.run("https://localhost") {
                $0.trustRoots = .file("/no/such/roots.pem")
            } _: { _ in
            }
        }
        #expect(missing?.field == "trustRoots" && missing?.message.contains("/no/such/roots.pem") == true)
    }
}
