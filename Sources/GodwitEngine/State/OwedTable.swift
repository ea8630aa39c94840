import DequeModule
import GodwitCore
import GodwitJournal

/// What has ended, and is followed by something that is not done yet, in the order of the ends. What follows is recorded right behind the end;
/// when a crash comes in between, when the store is opened again.
struct OwedTable: Sendable {
    struct Owed: Sendable, Equatable {
        /// The record that says what follows.
        var location: RecordLocation
        var size: SizeClass
        /// How a job has ended, more than once if it was retried; nothing for a counter.
        var states: FinalStates = []
    }

    private struct Place {
        var serial: UInt64
        var owed: Owed
        var isAside = false
    }

    private typealias Line = Deque<(serial: UInt64, subject: EndedSubject)>

    private var places: [EndedSubject: Place] = [:]
    /// Those that are not at their place any more are passed over.
    private var order = Line()
    /// Those that cannot be read just now, and those that are damaged. They stand in nobody's way.
    private var unanswered = Line(), damaged = Line()
    private var asideCount = 0
    private var nextSerial: UInt64 = 0

    var count: Int { places.count }
    var isEmpty: Bool { places.isEmpty }
    /// How many are not set aside.
    var payable: Int { places.count - asideCount }

    subscript(subject: EndedSubject) -> Owed? { places[subject]?.owed }

    /// The oldest that is not set aside.
    mutating func first() -> EndedSubject? {
        while let first = order.first, places[first.subject]?.serial != first.serial { order.removeFirst() }
        return order.first?.subject
    }

    /// Sets the first one aside: until ``takeUp(_:)`` when the disk does not answer, until the store is opened again when it is damaged.
    mutating func setFirstAside(isDamaged: Bool) {
        guard first() != nil, let first = order.popFirst() else { return }
        places[first.subject]?.isAside = true
        asideCount += 1
        if isDamaged { damaged.append(first) } else { unanswered.append(first) }
    }

    /// Whether any wait for the disk to answer.
    var hasUnanswered: Bool { !unanswered.isEmpty }

    /// Puts the oldest of those back in line that wait for the disk to answer.
    mutating func takeUp(_ limit: Int) {
        for entry in unanswered.prefix(limit).reversed() where places[entry.subject]?.serial == entry.serial {
            places[entry.subject]?.isAside = false
            asideCount -= 1
            order.prepend(entry)
        }
        unanswered.removeFirst(min(limit, unanswered.count))
    }

    /// - Returns: false when the subject is there already: then it has one more state.
    mutating func add(_ subject: EndedSubject, _ owed: Owed) -> Bool {
        if places[subject] != nil {
            places[subject]?.owed.states.formUnion(owed.states)
            return false
        }
        places[subject] = Place(serial: nextSerial, owed: owed)
        order.append((nextSerial, subject))
        nextSerial += 1
        return true
    }

    /// What follows some of a subject's ends is done; answers what was owed when nothing is left of it.
    /// - Throws: ``RecordError/contradiction(_:)`` when it is not there.
    mutating func settle(_ end: FollowedEnd) throws(RecordError) -> Owed? {
        guard let place = places[end.subject] else { throw .contradiction("nothing is to follow the end of \(end.subject)") }
        let owed = place.owed, rest = owed.states.subtracting(end.states)
        guard rest.isEmpty else {
            places[end.subject]?.owed.states = rest
            return nil
        }
        places[end.subject] = nil
        if place.isAside { asideCount -= 1 }
        return owed
    }

    /// The record that says what follows is at another place.
    mutating func relocate(_ subject: EndedSubject, to location: RecordLocation) { places[subject]?.owed.location = location }

    /// The counter whose record this is.
    func counter(at location: RecordLocation) -> EndedSubject? {
        places.first { subject, place in
            guard case .counter = subject else { return false }
            return place.owed.location == location
        }?.key
    }

    /// Visits all, in no particular order.
    func forEach(_ body: (EndedSubject, Owed) -> Void) { for (subject, place) in places { body(subject, place.owed) } }

    // MARK: Checkpoints

    /// Gives what writes each, in order.
    func forEachItem(_ body: ((inout RecordWriter) -> Void) throws -> Void) rethrows {
        let all = asideCount == 0 ? order : Line((damaged + unanswered + order).sorted { $0.serial < $1.serial })
        for (serial, subject) in all {
            guard let place = places[subject], place.serial == serial else { continue }
            try body { writer in
                subject.encode(into: &writer)
                writer.put(place.owed.location.segment)
                writer.put(place.owed.location.offset)
                writer.put(place.owed.size.index)
                writer.put(place.owed.states.rawValue)
            }
        }
    }
}
