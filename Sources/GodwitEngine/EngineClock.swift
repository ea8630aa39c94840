#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The time of one turn, on the two clocks that the engine knows.
package struct EngineInstant: Sendable, Hashable {
    /// Milliseconds since 1970, as the wall clock says; it may jump.
    package var wall: Int64
    /// Milliseconds since the machine was started, suspensions included; it never goes back within one boot.
    package var boot: Int64

    package init(wall: Int64, boot: Int64) {
        self.wall = wall
        self.boot = boot
    }
}

/// Where an engine's time comes from. The engine reaches clocks through nothing else.
package protocol EngineClock: Sendable {
    func now() -> EngineInstant
    /// Nanoseconds that go on evenly from any beginning, for measuring what takes less than a millisecond: no decision rests on them.
    func ticks() -> Int64
    /// Names the boot of the machine that ``EngineInstant/boot`` counts in: another text, another boot.
    var bootID: String { get }
    /// Whether time passes without anybody's doing. Engines on a clock that is moved by hand wait for ``ClockFollower/followClock()``.
    var runsByItself: Bool { get }
    /// An engine on this clock was opened. Clocks that run by themselves need not know.
    func attach(_ follower: any ClockFollower)
    func detach(_ follower: any ClockFollower)
}

extension EngineClock {
    package func ticks() -> Int64 { now().boot * 1_000_000 }
    package var runsByItself: Bool { true }
    package func attach(_ follower: any ClockFollower) {}
    package func detach(_ follower: any ClockFollower) {}
}

/// Something that does what is due whenever a clock that is moved by hand was moved.
package protocol ClockFollower: AnyObject, Sendable {
    /// Returns when all that was due is done and durable.
    func followClock() async
}

/// The machine's own clocks.
package struct SystemClock: EngineClock {
    package let bootID: String

    package init() { bootID = Self.currentBoot() }

    private static let unknownBoot = "unknown"
    /// Whether a boot's name says which boot it was: else any two may differ.
    static func isKnown(_ bootID: String) -> Bool { !bootID.isEmpty && bootID != unknownBoot }

    package func now() -> EngineInstant {
        EngineInstant(wall: Self.read(CLOCK_REALTIME), boot: Self.read(Self.bootClock))
    }

    package func ticks() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    #if canImport(Darwin)
    // Darwin's CLOCK_MONOTONIC goes on while the machine sleeps.
    private static let bootClock = CLOCK_MONOTONIC

    private static func currentBoot() -> String {
        var size = 37
        var text = [CChar](repeating: 0, count: size)
        guard sysctlbyname("kern.bootsessionuuid", &text, &size, nil, 0) == 0 else { return unknownBoot }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    #else
    private static let bootClock = CLOCK_BOOTTIME

    private static func currentBoot() -> String {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return unknownBoot }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count).prefix { $0 > 0x20 }, as: UTF8.self)
    }
    #endif
}
