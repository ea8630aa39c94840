import GodwitCore
import HTTPTestSupport
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import GodwitRemote

/// Whether a server's certificate is believed, and what is said when it is not.
@Suite("Certificates", .timeLimit(.minutes(1)))
struct CertificateTests {
    /// A certificate for `localhost` alone that signed itself, good until 2120, and its key: they protect nothing.
    private static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBYjCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
        c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
        CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHaN+CXqDuqNU2Ku
        m3vtpVC3MABCJYaIi6DtKegoOjO0N6jFTnFE59cIf3srGMT3GIsdzhgXH50Aap4S
        +HLIjqyjSDBGMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAPBgNVHRMBAf8EBTADAQH/
        MB0GA1UdDgQWBBQzADtPviydEqpThRxAxJfbyjTdXTAKBggqhkjOPQQDAgNJADBG
        AiEA2RxaXwKOhuMFtEQJVKSdmyo+8mEFNBqwR4WpYGPTckcCIQDAchmB1pZvSN6f
        nyg0eNNaFEGtmSnA0SQcT43AhQrwcw==
        -----END CERTIFICATE-----
        """
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVWFeeNt9ZcVoje1U
        LbgKZJQ6XcD4VjY3WjgpdQ0XiAyhRANCAAR2jfgl6g7qjVNirpt77aVQtzAAQiWG
        iIug7SnoKDoztDeoxU5xROfXCH97KxjE9xiLHc4YFx+dAGqeEvhyyI6s
        -----END PRIVATE KEY-----
        """

    /// What a call comes to, of a server that shows the certificate and answers everything with 401.
    private func ask(_ host: String, trusting roots: RemoteConfiguration.TrustRoots) async throws -> BrokerError? {
        let certificate = try NIOSSLCertificate(bytes: Array(Self.certificate.utf8), format: .pem)
        let key = try NIOSSLPrivateKey(bytes: Array(Self.key.utf8), format: .pem)
        let tls = TLSConfiguration.makeServerConfiguration(certificateChain: [.certificate(certificate)], privateKey: .privateKey(key))
        let context = try NIOSSLContext(configuration: tls)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([NIOSSLServerHandler(context: context), UnauthorizedHandler()])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let url = "https://\(host):\(listener.localAddress?.port ?? 0)"
        let error = try await RemoteFixture.run(url) {
            $0.trustRoots = roots
        } _: { broker -> BrokerError? in
            do throws(BrokerError) {
                try await broker.check()
                return nil
            } catch {
                return error
            }
        }
        try await listener.close()
        return error
    }

    @Test("one that nobody trusted signed is refused at once")
    func unknown() async throws {
        let error = try await ask("localhost", trusting: .system)
        #expect(error?.code == .untrusted && error?.field == "trustRoots", "\(String(describing: error))")
    }

    @Test("one for another host is refused at once")
    func otherHost() async throws {
        let error = try await ask("127.0.0.1", trusting: .pem(Array(Self.certificate.utf8)))
        #expect(error?.code == .untrusted && error?.message.contains("host") == true, "\(String(describing: error))")
    }

    @Test("one that a trust root signed is believed")
    func good() async throws {
        #expect(try await ask("localhost", trusting: .pem(Array(Self.certificate.utf8)))?.code == .unauthorized)
    }
}

/// Answers whatever comes with 401.
private final class UnauthorizedHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let answer = ByteBuffer(string: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(answer)).whenComplete { _ in channel.close(promise: nil) }
    }
}
