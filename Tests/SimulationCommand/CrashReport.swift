import Foundation
import Synchronization

/// Says which seeds were running when the process crashes: a precondition of the engine's that fails is a finding, too.
///
/// A signal handler may take no lock and ask for no memory, so what it reads lies in memory that is made once.
enum CrashReport {
    static let threads = 16
    private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS]

    /// An address, which unlike a pointer may be for any thread. Allocated, so not null.
    private static let board: UInt = {
        let board = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: threads)
        for index in 0..<threads { (board + index).initialize(to: Atomic(0)) }
        return UInt(bitPattern: board)
    }()
    private static let former: UInt = UInt(bitPattern: UnsafeMutablePointer<sigaction>.allocate(capacity: 65))

    private static var seeds: UnsafeMutablePointer<Atomic<UInt64>> { UnsafeMutablePointer(bitPattern: board)! }
    private static var actions: UnsafeMutablePointer<sigaction> { UnsafeMutablePointer(bitPattern: former)! }

    /// Notes which seed a thread is at.
    static func note(_ seed: UInt64, by thread: Int) { seeds[thread].store(seed, ordering: .relaxed) }

    static func install() {
        _ = board
        for number in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { CrashReport.write(of: $0) }
            sigaction(number, &action, actions + Int(number))
        }
    }

    private static func write(of number: Int32) {
        put("\nsimulate: crashed. The seeds that were running:")
        for index in 0..<threads {
            let seed = seeds[index].load(ordering: .relaxed)
            if seed != 0 { put(seed) }
        }
        put("\nTry each with dev/simulate --replay SEED\n")
        // Going on meets the same again, and then whoever handled it before.
        sigaction(number, actions + Int(number), nil)
    }

    private static func put(_ text: StaticString) { _ = Foundation.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount) }

    private static func put(_ number: UInt64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { digits in
            var at = digits.count, rest = number
            repeat {
                at -= 1
                digits[at] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            at -= 1
            digits[at] = UInt8(ascii: " ")
            _ = Foundation.write(STDERR_FILENO, digits.baseAddress! + at, digits.count - at)
        }
    }
}
