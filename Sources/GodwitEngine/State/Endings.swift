import GodwitJournal

/// When jobs ended that no record of their own ended: a purge ends any number of them at once, and they are met one by one later.
///
/// A finished job's final record is then the name of an ending: a location in segment 0, which no journal has.
struct Endings {
    private struct Ending {
        /// Wall time.
        var at: Int64
        /// How many jobs it ended that are kept.
        var jobs: Int
    }

    private var endings: [UInt32: Ending] = [:]
    private var newest: UInt32 = 0

    /// A name for an ending of one job more at this wall time.
    mutating func add(at time: Int64) -> RecordLocation {
        if endings[newest]?.at == time {
            endings[newest]?.jobs += 1
        } else {
            repeat { newest &+= 1 } while endings[newest] != nil
            endings[newest] = Ending(at: time, jobs: 1)
        }
        return RecordLocation(segment: 0, offset: newest)
    }

    /// One of its jobs is gone.
    mutating func remove(_ name: RecordLocation) {
        guard let ending = endings[name.offset] else { return }
        if ending.jobs == 1 { endings[name.offset] = nil } else { endings[name.offset] = Ending(at: ending.at, jobs: ending.jobs - 1) }
    }

    /// Visits all, in the order of their names.
    func forEach(_ body: (_ name: UInt32, _ at: Int64, _ jobs: Int) throws -> Void) rethrows {
        for (name, ending) in endings.sorted(by: { $0.key < $1.key }) { try body(name, ending.at, ending.jobs) }
    }

    /// Takes an ending up as ``forEach(_:)`` gave it.
    mutating func restore(_ name: UInt32, at time: Int64, jobs: Int) {
        endings[name] = Ending(at: time, jobs: jobs)
        newest = max(newest, name)
    }

    var count: Int { endings.count }

    /// The wall time of an ending; nil when the location is that of a record.
    func time(of name: RecordLocation) -> Int64? { name.isEnding ? endings[name.offset]?.at : nil }
}

extension RecordLocation {
    /// Whether it is not the place of a record, but the name of one of the ``Endings``.
    var isEnding: Bool { segment == 0 }
}
