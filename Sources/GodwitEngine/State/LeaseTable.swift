import GodwitCore

/// A lease that is out.
struct Lease: BitwiseCopyable {
    var sequence: UInt64
    /// Grows with every lease of the store; 0 for a free place.
    var fencing: UInt64
    /// Wall time of the delivery.
    var started: Int64
    /// Lease time at which it ends unless it is renewed; `Int64.max` for as long as the holder lives.
    var deadline: Int64
    /// Lease time at which the attempt has taken too long; `Int64.max` for never.
    var attemptDeadline: Int64
    /// Milliseconds that a renewal gives; 0 for as long as the holder lives.
    var term: Int64
    /// The term as it was recorded: a renewal with another one is not.
    var grantedTerm: Int64
    /// Its holder's place in the table of holders.
    var holder: UInt32
    /// The holder's other leases, plus one; 0 at the ends. Of a free place, `next` is the next free one.
    var previous: UInt32
    var next: UInt32
    var endsWithProcess: Bool
    /// Counts the leases of this process, those that it found when it was opened first, in the order of their fencing numbers.
    var order: UInt32 = 0
    /// The time of its element in the queue of deadlines; `Int64.max` for none.
    var timerAt: Int64

    /// A place without a lease.
    static let free = Lease(
        sequence: 0,
        fencing: 0,
        started: 0,
        deadline: .max,
        attemptDeadline: .max,
        term: 0,
        grantedTerm: 0,
        holder: 0,
        previous: 0,
        next: 0,
        endsWithProcess: false,
        timerAt: .max
    )

    /// When somebody must look at it.
    var due: Int64 { min(deadline, attemptDeadline) }
}

/// What a checkpoint says of leases: not the rest, which would be copied when it changes.
struct LeaseSnapshot: Sendable {
    let leases: ChunkedArray<Lease>
    let holders: ChunkedArray<LeaseTable.HolderEntry?>
    let count: Int
}

/// All leases that are out, and who holds them.
struct LeaseTable {
    struct HolderEntry {
        var id: HolderID
        /// Its newest lease, plus one.
        var first: UInt32 = 0
        var count = 0
    }

    private(set) var leases = ChunkedArray<Lease>()
    private var lastOrder: UInt32 = 0
    private var free: UInt32 = 0
    private(set) var count = 0

    private(set) var holders = ChunkedArray<HolderEntry?>()
    private var freeHolders: [UInt32] = []
    private var holdersByID: [HolderID: UInt32] = [:]

    init() {}

    var snapshot: LeaseSnapshot { LeaseSnapshot(leases: leases, holders: holders, count: count) }

    subscript(place: UInt32) -> Lease {
        get { leases[Int(place)] }
        _modify { yield &leases[Int(place)] }
    }

    /// The holder's place; one is made for it when it holds nothing yet, and must be ``retire(_:)``d if it still does not.
    mutating func holder(_ id: HolderID) -> UInt32 {
        if let place = holdersByID[id] { return place }
        let place: UInt32
        if let reused = freeHolders.popLast() {
            place = reused
            holders[Int(place)] = HolderEntry(id: id)
        } else {
            place = UInt32(holders.count)
            holders.append(HolderEntry(id: id))
        }
        holdersByID[id] = place
        return place
    }

    mutating func insert(_ lease: Lease) -> UInt32 {
        var lease = lease
        let place: UInt32
        let holder = Int(lease.holder)
        lease.order = takeOrder()
        lease.previous = 0
        lease.next = holders[holder]?.first ?? 0
        if free != 0 {
            place = free - 1
            free = leases[Int(place)].next
            leases[Int(place)] = lease
        } else {
            place = UInt32(leases.count)
            leases.append(lease)
        }
        if lease.next != 0 { leases[Int(lease.next - 1)].previous = place + 1 }
        holders[holder]?.first = place + 1
        holders[holder]?.count += 1
        count += 1
        return place
    }

    mutating func remove(_ place: UInt32) {
        let lease = leases[Int(place)]
        if lease.previous != 0 {
            leases[Int(lease.previous - 1)].next = lease.next
        } else {
            holders[Int(lease.holder)]?.first = lease.next
        }
        if lease.next != 0 { leases[Int(lease.next - 1)].previous = lease.previous }
        holders[Int(lease.holder)]?.count -= 1
        retire(lease.holder)
        leases[Int(place)].fencing = 0
        leases[Int(place)].timerAt = .max
        leases[Int(place)].next = free
        free = place + 1
        count -= 1
    }

    private mutating func takeOrder() -> UInt32 {
        lastOrder &+= 1
        return lastOrder
    }

    /// All places, in the order in which their leases were given; that order is theirs from now on.
    mutating func renumber() -> [UInt32] {
        let places = leases.indices.map(UInt32.init).filter(isOut).sorted { self[$0].fencing < self[$1].fencing }
        lastOrder = 0
        for place in places { leases[Int(place)].order = takeOrder() }
        return places
    }

    /// Who holds the lease at a place; nil when there is none.
    func holder(at place: UInt32) -> HolderID? {
        guard isOut(place) else { return nil }
        return holders[Int(leases[Int(place)].holder)]?.id
    }

    func hasHolder(_ place: UInt32) -> Bool { place < UInt32(holders.count) && holders[Int(place)] != nil }
    /// Whether there is a lease at a place.
    func isOut(_ place: UInt32) -> Bool { place < UInt32(leases.count) && leases[Int(place)].fencing != 0 }

    /// Takes a holder up at the place where it was.
    mutating func restore(_ holder: HolderEntry, at place: UInt32) {
        while holders.count <= Int(place) { holders.append(nil) }
        holders[Int(place)] = holder
        holdersByID[holder.id] = place
    }

    /// Takes a lease up at the place where it was; its holder must be there.
    mutating func restore(_ lease: Lease, at place: UInt32) {
        while leases.count <= Int(place) { leases.append(Lease.free) }
        leases[Int(place)] = lease
        count += 1
    }

    /// All holders and leases are taken up: what is between them is free.
    mutating func endRestore() {
        freeHolders = holders.indices.reversed().filter { holders[$0] == nil }.map(UInt32.init)
        free = 0
        for place in leases.indices.reversed() where leases[place].fencing == 0 {
            leases[place].next = free
            free = UInt32(place) + 1
        }
    }

    /// Forgets a holder that holds nothing.
    mutating func retire(_ holder: UInt32) {
        guard let entry = holders[Int(holder)], entry.count == 0 else { return }
        holdersByID[entry.id] = nil
        holders[Int(holder)] = nil
        freeHolders.append(holder)
    }

    /// The places of all leases of a holder, oldest first.
    func places(of id: HolderID) -> [UInt32] {
        guard let holder = holdersByID[id], let entry = holders[Int(holder)] else { return [] }
        var places: [UInt32] = [], at = entry.first
        places.reserveCapacity(entry.count)
        while at != 0 {
            places.append(at - 1)
            at = leases[Int(at - 1)].next
        }
        places.reverse()
        return places
    }
}
