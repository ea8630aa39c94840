import GodwitCore

/// All queues by number, each at a place of its own that never moves. A number is never used again.
struct QueueTable: ~Copyable {
    private var places: [UnsafeMutablePointer<QueueState>] = []
    private(set) var numbers: [QueueName: UInt32] = [:]
    /// Another one whenever a name may mean another number.
    private(set) var version = 0
    /// Deleted queues that somebody waits for, by name: whoever makes one again finds the waiting.
    private(set) var awaited: [QueueName: UInt32] = [:]
    /// What stands in the place of deleted queues of which nothing is left.
    private let gone: UnsafeMutablePointer<QueueState>

    /// The snapshot that is out, and how many were taken so far.
    private var shared: QueueSnapshots?
    private var generation: UInt32 = 0

    init() {
        guard let name = try? QueueName("gone") else { preconditionFailure("a good name") }
        gone = .allocate(capacity: 1)
        gone.initialize(to: QueueState(name: name, settings: QueueSettings(), change: 0))
        gone.pointee.isDeleted = true
    }

    deinit {
        for place in places where place != gone {
            place.deinitialize(count: 1)
            place.deallocate()
        }
        gone.deinitialize(count: 1)
        gone.deallocate()
    }

    var count: Int { places.count }
    /// How many queues take memory.
    var statesInUse: Int { places.count { $0 != gone } }

    /// The queue with this number, deleted or not; valid until a snapshot is taken.
    subscript(number: UInt32) -> UnsafeMutablePointer<QueueState>? {
        number < UInt32(places.count) ? at(number) : nil
    }

    /// A queue that is there: its number is known to be in the table. Valid until a snapshot is taken.
    @inline(__always)
    func at(_ number: UInt32) -> UnsafeMutablePointer<QueueState> {
        let place = places[Int(number)]
        if let shared, place.pointee.snapshot != generation { note(number, place, shared) }
        return place
    }

    /// Before it is touched for the first time since a snapshot was taken.
    private func note(_ number: UInt32, _ place: UnsafeMutablePointer<QueueState>, _ shared: QueueSnapshots) {
        shared.note(number, place)
        if place != gone { place.pointee.snapshot = generation }
    }

    mutating func append(_ queue: QueueState) {
        version += 1
        numbers[queue.name] = UInt32(places.count)
        let place = UnsafeMutablePointer<QueueState>.allocate(capacity: 1)
        place.initialize(to: queue)
        place.pointee.snapshot = generation
        places.append(place)
    }

    /// Takes a queue up as it was, one that is deleted among them; nil for one of which nothing was left.
    mutating func restore(_ queue: QueueState?) {
        guard let queue else { return places.append(gone) }
        let name = queue.name, number = UInt32(places.count)
        append(queue)
        if queue.isDeleted, numbers[name] == number { numbers[name] = nil }
    }

    /// All queues as they are now, for another thread to read until ``endSnapshot()``; one at a time.
    mutating func snapshot() -> QueueSnapshots {
        precondition(shared == nil, "one snapshot at a time")
        generation &+= 1
        let snapshot = QueueSnapshots(addresses: places.map { $0 == gone ? 0 : UInt(bitPattern: $0) })
        shared = snapshot
        return snapshot
    }

    /// Nobody reads the snapshot any more.
    mutating func endSnapshot() { shared = nil }

    /// Takes a queue's name away and gives back what it held; its number stays taken.
    mutating func delete(_ number: UInt32, change: UInt64) {
        let place = at(number)
        version += 1
        numbers[place.pointee.name] = nil
        let waiting = place.pointee.waiting, cleanings = place.pointee.cleanings
        place.pointee = QueueState(name: place.pointee.name, settings: place.pointee.settings, change: change)
        place.pointee.waiting = waiting
        place.pointee.cleanings = cleanings
        place.pointee.isDeleted = true
        place.pointee.snapshot = generation
        if waiting.count > 0 { awaited[place.pointee.name] = number }
    }

    /// Gives back what a deleted queue takes when nobody waits for it and none of its jobs is left.
    mutating func freeIfUnused(_ number: UInt32) {
        let place = at(number)
        guard place != gone, place.pointee.isDeleted, place.pointee.waiting.count == 0 else { return }
        if awaited[place.pointee.name] == number { awaited[place.pointee.name] = nil }
        guard place.pointee.cleanings == 0 else { return }
        place.deinitialize(count: 1)
        place.deallocate()
        places[Int(number)] = gone
    }
}
