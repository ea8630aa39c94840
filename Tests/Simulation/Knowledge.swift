import GodwitCore

/// What clients were told of things that the store names: ids, tokens and versions. It outlives crashes, as clients do.
struct Knowledge {
    struct Finding: Error {
        var what: String
    }

    struct RecordChange: Hashable {
        var key: RecordKey
        var unit: Int
    }

    /// The version that a job had after a unit that changed it.
    private struct JobChange {
        var unit: Int
        var version: Version
    }

    private(set) var ids = NumberTable<JobID>()
    private(set) var numbers: [JobID: Int] = [:]
    /// What ids are of whose job is gone though another one has its name, and the units in which those others were made.
    private static let retired = -1
    private var retirements: [JobID: Int] = [:]
    private(set) var tokens = NumberTable<LeaseToken>()
    /// The job and the lease that a token is for.
    private(set) var leases: [LeaseToken: (number: Int, serial: Int)] = [:]
    /// Of each job, in the order in which they were told: mostly the latest is told again.
    private var changes = NumberTable<[JobChange]>()
    private(set) var recordVersions: [RecordChange: Version] = [:]
    private var usedRecordVersions: [Version: RecordChange] = [:]
    /// Fencing numbers: the highest one, and the highest one of earlier openings.
    private var highestFencing: UInt64 = 0
    private var earlierFencing: UInt64 = 0
    private var fencings: Set<UInt64> = []

    /// The store was opened again: what it gives out from now on must be above all that it gave before.
    mutating func beginLife() { earlierFencing = highestFencing }

    /// A flip took these units, though they had been confirmed: the store gives out the ids and versions of what they brought again.
    mutating func forget(_ lost: ArraySlice<ModelUnit>) {
        let made = lost.flatMap(\.events).compactMap { event -> Int? in
            switch event {
            case .published(_, let number, _, _), .copied(_, let number, _, _, _): number
            default: nil
            }
        }
        for number in made {
            if let id = ids[number] { numbers[id] = nil }
            ids[number] = nil
        }
        guard let first = lost.first?.number else { return }
        for (id, unit) in retirements where unit >= first {
            numbers[id] = nil
            retirements[id] = nil
        }
        for number in changes.keys where changes[number]?.contains(where: { $0.unit >= first }) == true {
            changes[number]?.removeAll { $0.unit >= first }
        }
        if usedRecordVersions.values.contains(where: { $0.unit >= first }) {
            usedRecordVersions = usedRecordVersions.filter { $0.value.unit < first }
        }
    }

    /// The job of this number is gone, and another one takes its name: what the store named it by is never given out again.
    mutating func retire(_ number: Int, at unit: Int) {
        guard let id = ids[number] else { return }
        ids[number] = nil
        numbers[id] = Self.retired
        retirements[id] = unit
        changes[number] = nil
    }

    mutating func learn(id: JobID, of number: Int) throws {
        if let known = ids[number] {
            guard known == id else { throw Finding(what: "\(ModelJob.name(of: number)) has the id \(id) now, it had \(known)") }
            return
        }
        if let other = numbers[id] {
            throw Finding(what: "the id \(id) of \(ModelJob.name(of: other)) was given to \(ModelJob.name(of: number))")
        }
        ids[number] = id
        numbers[id] = number
    }

    mutating func learn(token: LeaseToken, fencing: UInt64?, of number: Int, serial: Int) throws {
        if leases[token] != nil { throw Finding(what: "a token was given out twice, now for \(ModelJob.name(of: number))") }
        tokens[serial] = token
        leases[token] = (number, serial)
        guard let fencing else { throw Finding(what: "a delivery has no fencing number") }
        guard fencing > earlierFencing, fencings.insert(fencing).inserted else {
            throw Finding(what: "the fencing number \(fencing) was given out though \(highestFencing) had been")
        }
        highestFencing = max(highestFencing, fencing)
    }

    mutating func learn(version: Version, of number: Int, unit: Int) throws {
        for known in (changes[number] ?? []).reversed() where known.unit == unit || known.version == version {
            guard known.unit == unit else {
                throw Finding(what: "\(ModelJob.name(of: number)) has a version again that it had before it changed")
            }
            guard known.version == version else {
                throw Finding(what: "\(ModelJob.name(of: number)) has another version though nothing changed it")
            }
            return
        }
        changes[number, default: []].append(JobChange(unit: unit, version: version))
    }

    mutating func learn(version: Version, of key: RecordKey, unit: Int) throws {
        let change = RecordChange(key: key, unit: unit)
        if let known = recordVersions[change], known != version {
            throw Finding(what: "the record \(key.name) has another version though nothing changed it")
        }
        if let other = usedRecordVersions[version], other.key == key, other.unit != unit {
            throw Finding(what: "the record \(key.name) has a version again that it had before it changed")
        }
        recordVersions[change] = version
        usedRecordVersions[version] = change
    }
}

/// Things by small numbers.
struct NumberTable<Element> {
    private var slots: [Element?] = []

    subscript(number: Int) -> Element? {
        get { number < slots.count ? slots[number] : nil }
        set {
            while slots.count <= number { slots.append(nil) }
            slots[number] = newValue
        }
    }

    subscript(number: Int, default fallback: @autoclosure () -> Element) -> Element {
        get { self[number] ?? fallback() }
        _modify {
            while slots.count <= number { slots.append(nil) }
            var element = slots[number].take() ?? fallback()
            defer { slots[number] = element }
            yield &element
        }
    }

    /// The numbers that have something, in order.
    var keys: [Int] { slots.indices.filter { slots[$0] != nil } }
}
