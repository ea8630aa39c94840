#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Whom an address stands for where somebody is counted: itself, or in IPv6 its network of 64 bits, for a single machine has all addresses of
/// one (RFC 6177).
struct AddressBlock: Hashable, Sendable {
    private let name: String
    /// Whether it is this machine's own.
    let isLoopback: Bool

    /// - Parameter address: without a port; empty where there is none.
    init(_ address: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard address.contains(":"), inet_pton(AF_INET6, address, &bytes) == 1 else {
            name = address
            isLoopback = address.hasPrefix("127.")
            return
        }
        // An IPv4 address in IPv6's clothes (RFC 4291, section 2.5.5.2).
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
            name = bytes.suffix(4).map { String($0) }.joined(separator: ".")
            isLoopback = bytes[12] == 127
            return
        }
        name = bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":")
        isLoopback = bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
    }
}
