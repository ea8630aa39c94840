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

    /// The queue with this number, deleted or not; valid as long as the table.
    subscript(number: UInt32) -> UnsafeMutablePointer<QueueState>? {
        number < UInt32(places.count) ? places[Int(number)] : nil
    }

    /// A queue that is there: its number is known to be in the table.
    func at(_ number: UInt32) -> UnsafeMutablePointer<QueueState> { places[Int(number)] }

    mutating func append(_ queue: QueueState) {
        version += 1
        numbers[queue.name] = UInt32(places.count)
        let place = UnsafeMutablePointer<QueueState>.allocate(capacity: 1)
        place.initialize(to: queue)
        places.append(place)
    }

    /// Takes a queue up as it was, one that is deleted among them; nil for one of which nothing was left.
    mutating func restore(_ queue: QueueState?) {
        guard let queue else { return places.append(gone) }
        let name = queue.name, number = UInt32(places.count)
        append(queue)
        if queue.isDeleted, numbers[name] == number { numbers[name] = nil }
    }

    /// All queues as they are; nil for those of which nothing is left.
    func snapshot() -> [QueueSnapshot?] { places.map { $0 == gone ? nil : QueueSnapshot($0.pointee) } }

    /// Takes a queue's name away and gives back what it held; its number stays taken.
    mutating func delete(_ number: UInt32, change: UInt64) {
        let place = places[Int(number)]
        version += 1
        numbers[place.pointee.name] = nil
        let waiting = place.pointee.waiting, cleanings = place.pointee.cleanings
        place.pointee = QueueState(name: place.pointee.name, settings: place.pointee.settings, change: change)
        place.pointee.waiting = waiting
        place.pointee.cleanings = cleanings
        place.pointee.isDeleted = true
        if waiting.count > 0 { awaited[place.pointee.name] = number }
    }

    /// Gives back what a deleted queue takes when nobody waits for it and none of its jobs is left.
    mutating func freeIfUnused(_ number: UInt32) {
        let place = places[Int(number)]
        guard place != gone, place.pointee.isDeleted, place.pointee.waiting.count == 0 else { return }
        if awaited[place.pointee.name] == number { awaited[place.pointee.name] = nil }
        guard place.pointee.cleanings == 0 else { return }
        place.deinitialize(count: 1)
        place.deallocate()
        places[Int(number)] = gone
    }
}
