import AsyncHTTPClient
import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension ExchangeFailure {
    /// What an error of the HTTP client says.
    /// - Parameter wasSent: whether a part of the request was given to a connection.
    init(_ error: any Error, wasSent: Bool) {
        if error is Reception.TooLarge {
            self = .unreadable("the answer is larger than any can be")
        } else if let text = Self.distrust(error) {
            self = .untrusted(text)
        } else if wasSent {
            self = .lost(Self.reason(error))
        } else if let error = error as? HTTPClientError, error == .alreadyShutdown || error == .cancelled {
            self = .closed
        } else {
            self = .unsent(Self.reason(error))
        }
    }

    /// Why a certificate was not believed; nil for other errors.
    private static func distrust(_ error: any Error) -> String? {
        switch error {
        case let error as NIOConnectionError:
            return error.connectionErrors.lazy.compactMap { distrust($0.error) }.first
        case is NIOSSLExtraError: return "it is not for this host"
        case let error as NIOSSLError:
            let text = String(describing: error)
            guard text.contains("CERTIFICATE_VERIFY_FAILED") else { return nil }
            return "nobody who is trusted signed it, or it has expired"
        default: return nil
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let failure = error.connectionErrors.first { return reason(failure.error) }
            return error.dnsAError != nil || error.dnsAAAAError != nil ? "there is no host \(error.host)" : "no connection came about"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case is NIOSSLError: return "no encrypted connection came about: see that the server speaks TLS at this port"
        case let error as HTTPClientError where error == .connectTimeout: return "no connection came about in time"
        case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout: return "no answer in time"
        case let error as HTTPClientError where error == .remoteConnectionClosed: return "the connection was closed"
        case let error as HTTPClientError where error == .cancelled || error == .alreadyShutdown: return "this client was closed"
        case let error as HTTPClientError: return error.shortDescription
        case is ChannelError: return "the connection was closed"
        default: return String(String(describing: error).prefix(200))
        }
    }
}
