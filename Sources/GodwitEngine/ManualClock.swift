package import GodwitCore
import Synchronization

/// A clock that is moved by hand, for tests: both of its clocks stand still until ``advance(by:)``.
package final class ManualClock: EngineClock {
    private struct State {
        var instant: EngineInstant
        var followers: [any ClockFollower] = []
    }

    package let bootID: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - start: what the wall clock shows first.
    ///   - boot: how long ago the machine was started.
    package init(start: Timestamp, boot: Duration = .seconds(3_600), bootID: String = "manual") {
        self.bootID = bootID
        state = Mutex(State(instant: EngineInstant(wall: start.milliseconds, boot: boot.inMilliseconds)))
    }

    package var runsByItself: Bool { false }

    package func now() -> EngineInstant { state.withLock { $0.instant } }

    /// Moves both clocks in steps of at most 1 s, as a lease's time would count no more of a longer one. Every engine on this clock takes
    /// a turn per step and has done all that was due, durably, when this returns.
    package func advance(by duration: Duration) async {
        precondition(duration >= .zero, "time does not go back")
        var rest = duration.inMilliseconds
        repeat {
            let step = min(rest, 1_000)
            rest -= step
            let followers = state.withLock { state in
                state.instant.wall += step
                state.instant.boot += step
                return state.followers
            }
            for follower in followers { await follower.followClock() }
        } while rest > 0
    }

    /// Lets the wall clock jump, as an operator or a time server may; the time since boot stays. No turn is taken.
    package func jumpWall(by duration: Duration) {
        state.withLock { $0.instant.wall += duration.inMilliseconds }
    }

    /// Lets time pass in one step that no engine follows, as a suspended machine does. The next turn finds it.
    package func leap(by duration: Duration) {
        state.withLock { state in
            state.instant.wall += duration.inMilliseconds
            state.instant.boot += duration.inMilliseconds
        }
    }

    package func attach(_ follower: any ClockFollower) { state.withLock { $0.followers.append(follower) } }

    package func detach(_ follower: any ClockFollower) {
        state.withLock { state in state.followers.removeAll { $0 === follower } }
    }
}
