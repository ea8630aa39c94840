#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The number of files and sockets that the process may open.
package enum FileLimit {
    /// How many of so many may be connections: the rest is the store's, the event loops', the listener's, and those connections' that are refused.
    package static func connections(of files: Int) -> Int { max(1, files - min(files / 2, 160 + ConnectionShares.mostRefused)) }

    /// Raises it to what the system allows without privileges: a connection is a file, and the usual 1,024 are few.
    /// - Returns: What it is now.
    @discardableResult
    package static func raise() -> Int {
        #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1_024 }
        let current = limit.rlim_cur
        limit.rlim_cur = min(limit.rlim_max, 1 << 20)
        guard limit.rlim_cur > current, setrlimit(resource, &limit) == 0 else { return Int(clamping: current) }
        return Int(clamping: limit.rlim_cur)
    }
}
