#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Wakes one thread. A signal that is raised before the wait is not lost; many that are raised before it wake it once.
///
/// It is made of pthread's condition variables, whose waits can follow a clock that nobody sets: those of Dispatch's semaphores end at a time
/// of the wall clock on Linux, so that a clock put back by an hour would stop all waits for an hour.
final class Signal: Sendable {
    private struct Parts {
        var mutex = pthread_mutex_t()
        var condition = pthread_cond_t()
        var isRaised = false
    }

    /// pthread wants an address that does not change, and its calls are for any thread: so may the address be, which a pointer may not.
    private let address: UInt
    // Allocated, so not null.
    private var parts: UnsafeMutablePointer<Parts> { UnsafeMutablePointer(bitPattern: address)! }

    init() {
        let parts = UnsafeMutablePointer<Parts>.allocate(capacity: 1)
        parts.initialize(to: Parts())
        pthread_mutex_init(&parts.pointee.mutex, nil)
        #if canImport(Darwin)
        pthread_cond_init(&parts.pointee.condition, nil)
        #else
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(&parts.pointee.condition, &attributes)
        pthread_condattr_destroy(&attributes)
        #endif
        address = UInt(bitPattern: parts)
    }

    deinit {
        let parts = parts
        pthread_cond_destroy(&parts.pointee.condition)
        pthread_mutex_destroy(&parts.pointee.mutex)
        parts.deallocate()
    }

    func raise() {
        let parts = parts
        pthread_mutex_lock(&parts.pointee.mutex)
        parts.pointee.isRaised = true
        pthread_cond_signal(&parts.pointee.condition)
        pthread_mutex_unlock(&parts.pointee.mutex)
    }

    /// Blocks until it is raised, or for so many milliseconds of a clock that nobody sets and that stands still while the machine sleeps;
    /// nil waits for ever.
    func wait(milliseconds: Int64?) {
        let parts = parts
        let deadline = milliseconds.map { Self.deadline(in: $0) }
        pthread_mutex_lock(&parts.pointee.mutex)
        while !parts.pointee.isRaised {
            if let deadline {
                guard Self.wait(parts, until: deadline) else { break }
            } else {
                pthread_cond_wait(&parts.pointee.condition, &parts.pointee.mutex)
            }
        }
        parts.pointee.isRaised = false
        pthread_mutex_unlock(&parts.pointee.mutex)
    }

    private static func deadline(in milliseconds: Int64) -> timespec {
        var time = now()
        let milliseconds = max(0, min(milliseconds, 1_000_000_000))
        time.tv_sec += Int(milliseconds / 1_000)
        time.tv_nsec += Int(milliseconds % 1_000) * 1_000_000
        if time.tv_nsec >= 1_000_000_000 {
            time.tv_sec += 1
            time.tv_nsec -= 1_000_000_000
        }
        return time
    }

    private static func now() -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time
    }

    /// - Returns: whether there is time left.
    private static func wait(_ parts: UnsafeMutablePointer<Parts>, until deadline: timespec) -> Bool {
        #if canImport(Darwin)
        let now = now()
        var rest = timespec(tv_sec: deadline.tv_sec - now.tv_sec, tv_nsec: deadline.tv_nsec - now.tv_nsec)
        if rest.tv_nsec < 0 {
            rest.tv_sec -= 1
            rest.tv_nsec += 1_000_000_000
        }
        guard rest.tv_sec >= 0 else { return false }
        return pthread_cond_timedwait_relative_np(&parts.pointee.condition, &parts.pointee.mutex, &rest) == 0
        #else
        var deadline = deadline
        return pthread_cond_timedwait(&parts.pointee.condition, &parts.pointee.mutex, &deadline) == 0
        #endif
    }
}
