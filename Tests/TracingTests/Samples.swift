import Godwit
import InMemoryTracing
import Synchronization
import Tracing

struct Greet: Job {
    static let name = "greet"
    static let queue = "greetings"
    var who: String
}

struct Note: Job {
    static let name = "note"
    static let queue = "notes"
    var text: String
}

/// Gathers what handlers saw.
final class Seen: Sendable {
    private let state = Mutex<[InMemorySpanContext?]>([])

    var spans: [InMemorySpanContext?] { state.withLock { $0 } }

    /// Notes the span that the current task is in.
    func note() {
        let span = Self.current
        state.withLock { $0.append(span) }
    }

    static var current: InMemorySpanContext? { ServiceContext.current?.inMemorySpanContext }
}
