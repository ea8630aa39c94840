import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tells the service manager that started this process how it stands (sd_notify(3)): systemd starts what comes after a server when the server
/// can be reached, not when its process is there.
///
/// Does nothing where no manager listens. What it says is lost when the manager does not take it: nothing depends on it here.
enum ServiceManager {
    static func ready(_ status: String) { tell("READY=1\nSTATUS=\(status)\n") }
    static func stopping() { tell("STOPPING=1\n") }

    /// - Parameter address: a path, or with `@` before it a name in Linux' abstract namespace.
    static func tell(_ message: String, at address: String? = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"]) {
        guard let address, address.hasPrefix("/") || address.hasPrefix("@") else { return }
        var name = Array(address.utf8)
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        var socketAddress = sockaddr_un()
        socketAddress.sun_family = sa_family_t(AF_UNIX)
        guard name.count < MemoryLayout.size(ofValue: socketAddress.sun_path) else { return }
        withUnsafeMutableBytes(of: &socketAddress.sun_path) { $0.copyBytes(from: name) }
        // The length ends a name in the abstract namespace; a path ends with a zero.
        let length = socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path)! + name.count + (name[0] == 0 ? 0 : 1))
        #if canImport(Glibc)
        let kind = Int32(SOCK_DGRAM.rawValue)
        #else
        let kind = Int32(SOCK_DGRAM)
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(message.utf8)
        _ = withUnsafePointer(to: socketAddress) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(descriptor, bytes, bytes.count, 0, $0, length) }
        }
    }
}
