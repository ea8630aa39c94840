import Synchronization

/// Says across threads that the next segment will be needed soon, so that whoever makes it ready leaves out what is not necessary.
final class Urgency: Sendable {
    private let flag = Atomic(false)

    var isUrgent: Bool {
        get { flag.load(ordering: .relaxed) }
        set { flag.store(newValue, ordering: .relaxed) }
    }
}
