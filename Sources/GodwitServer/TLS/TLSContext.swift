import NIOSSL
import Synchronization

/// The server's certificate and key, read from their files; they can be read anew while it runs. Connections go on with what they began with.
final class TLSContext: Sendable {
    private let certificate: String
    private let key: String
    private let context: Mutex<NIOSSLContext>

    /// - Parameters:
    ///   - certificate: a PEM file with the server's certificate first, then those between it and the root.
    ///   - key: a PEM file with its private key.
    /// - Throws: ``ServerError`` that says which file is wrong.
    init(certificate: String, key: String) throws(ServerError) {
        self.certificate = certificate
        self.key = key
        context = Mutex(try Self.read(certificate, key))
    }

    var current: NIOSSLContext { context.withLock { $0 } }

    /// - Throws: ``ServerError``; the old ones stay in use.
    func reload() throws(ServerError) {
        let new = try Self.read(certificate, key)
        context.withLock { $0 = new }
    }

    private static func read(_ certificate: String, _ key: String) throws(ServerError) -> NIOSSLContext {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificate)
        } catch {
            throw .options("the certificate \(certificate) cannot be read: \(error). It must be a PEM file")
        }
        guard !chain.isEmpty else { throw .options("there is no certificate in \(certificate): it must be a PEM file") }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
        } catch {
            throw .options("the private key \(key) cannot be read: \(error). It must be a PEM file without a password")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(privateKey)
        )
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw .options("the certificate \(certificate) and the key \(key) do not go together: \(error)")
        }
    }
}
