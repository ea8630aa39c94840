#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Threads for what blocks, or must go on while the cooperative pool is blocked.
///
/// Foundation's `Thread` would do, and brings all of Foundation with ICU's 31 MB of data into a program that is linked statically.
package enum SystemThread {
    /// Why no thread was started: the system's limit on them, most likely.
    package struct StartFailure: Error, CustomStringConvertible {
        /// The system's error number.
        package let code: Int32

        package var description: String {
            "no thread can be started (\(String(cString: strerror(code)))): raise the limit on processes and threads (ulimit -u, TasksMax)"
        }
    }

    /// What a new thread finds under its argument.
    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Runs `body` on a new thread, which ends with it.
    /// - Parameters:
    ///   - name: what debuggers show; Linux shows the first 15 bytes.
    ///   - stackSize: bytes.
    package static func start(
        name: String,
        stackSize: Int = 2 << 20,
        _ body: @escaping @Sendable () -> Void
    ) throws(StartFailure) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let argument = Unmanaged.passRetained(Start(name: name, body: body))
        #if canImport(Darwin)
        var thread: pthread_t?
        let code = pthread_create(&thread, &attributes, { SystemThread.run($0) }, argument.toOpaque())
        #else
        var thread = pthread_t()
        let code = pthread_create(&thread, &attributes, { SystemThread.run($0) }, argument.toOpaque())
        #endif
        guard code == 0 else {
            argument.release()
            throw StartFailure(code: code)
        }
    }

    private static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        #if canImport(Darwin)
        pthread_setname_np(start.name)
        #else
        // The C library's call for it is no part of POSIX, and not seen from here.
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        if file >= 0 {
            let name = Array(start.name.utf8.prefix(15))
            _ = write(file, name, name.count)
            close(file)
        }
        #endif
        start.body()
        return nil
    }

    /// Keeps the calling thread for so long, to the microsecond.
    package static func sleep(nanoseconds: Int) {
        var left = nanoseconds / 1_000
        // POSIX has a second as the longest sleep of this kind.
        while left > 0 {
            usleep(UInt32(min(left, 999_999)))
            left -= 999_999
        }
    }
}
