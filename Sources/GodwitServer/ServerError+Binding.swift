import NIOCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension ServerError {
    /// What kept the server from listening, in words that help.
    init(_ error: any Error, listeningOn address: ServerAddress) {
        if let error = error as? ServerError {
            self = error
            return
        }
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            self.init(
                .addressInUse,
                "\(address) is in use by another program: stop it (another `godwit serve`?), or listen elsewhere with --http HOST:PORT"
            )
        case EACCES, EPERM:
            self.init(.addressUnavailable, "\(address) may not be used by this user: ports under 1024 need privileges, choose a higher one")
        case EADDRNOTAVAIL:
            self.init(.addressUnavailable, "\(address) is no address of this machine: use one of its own, or 127.0.0.1")
        default:
            self.init(.failed, "the server cannot listen on \(address): \(error)")
        }
    }
}
