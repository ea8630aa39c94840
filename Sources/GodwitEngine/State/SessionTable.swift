import DequeModule
import GodwitCore

/// What clients' sessions came to: the outcomes of their numbered transactions, until the client has acknowledged them, so that a
/// transaction whose answer was lost can be asked for again and is answered as the first time.
struct SessionTable: Sendable {
    /// A transaction's outcome.
    struct Outcome: Sendable, Equatable {
        /// Its results as records write them.
        var results: [UInt8]
        /// The change that must be durable before it is told.
        var change: UInt64

        /// What it takes in memory, about: always more than in a checkpoint.
        fileprivate var bytes: Int { results.count + 96 }
    }

    /// What is known of a number of a session.
    enum Lookup: Equatable {
        /// There is no such session (any more).
        case noSession
        /// The session is there, and this number is new to it.
        case new
        case known(Outcome)
        /// The client had acknowledged it, or so many came after it that it is no longer kept.
        case dropped
    }

    struct Session: Sendable {
        fileprivate(set) var outcomes: [UInt64: Outcome] = [:]
        /// The numbers in `outcomes` in the order in which they were recorded.
        fileprivate var order = Deque<UInt64>()
        /// Whether one in `order` may be lower than one before it.
        fileprivate var isMixed = false
        /// Of numbers up to this one nothing is known any more unless they are in `outcomes`.
        fileprivate(set) var floor: UInt64 = 0
        /// What its outcomes take.
        fileprivate(set) var bytes = 0
        /// Engine time of its latest request.
        fileprivate(set) var lastUsed: Int64
    }

    /// Of how many bytes outcomes each session keeps: with what a checkpoint says beside them they fit one of its chunks.
    static let mostBytes = 3 << 20
    /// When all take more than so much together, a session that goes on keeps its share of it alone.
    static let mostBytesOfAll = 256 << 20

    /// What the outcomes of all take, about.
    private(set) var bytes = 0
    private var sessions = ShardedDictionary<[UInt8], Session>()

    var count: Int { sessions.count }
    var isFull: Bool { sessions.count >= Limits.sessions }

    func has(_ id: [UInt8]) -> Bool { sessions[id] != nil }

    func look(_ id: [UInt8], _ number: UInt64) -> Lookup {
        guard let session = sessions[id] else { return .noSession }
        if let outcome = session.outcomes[number] { return .known(outcome) }
        return number <= session.floor ? .dropped : .new
    }

    /// A request of the session came in.
    mutating func touch(_ id: [UInt8], at now: Int64) {
        guard let session = sessions[id], session.lastUsed < now else { return }
        sessions[id]?.lastUsed = now
    }

    /// Records an outcome; the session is made by its first one.
    mutating func record(_ id: [UInt8], _ number: UInt64, acknowledged: UInt64, _ outcome: Outcome, at now: Int64) {
        let share = bytes <= Self.mostBytesOfAll ? Self.mostBytes : min(Self.mostBytesOfAll / max(sessions.count, 1), Self.mostBytes)
        bytes += sessions.change(id, from: Session(lastUsed: now)) { session in
            session.record(number, acknowledged: acknowledged, outcome, at: now, keeping: share)
        }
    }

    /// All sessions are given their full time again: after an opening, say.
    mutating func touchAll(at now: Int64) {
        var all: [[UInt8]] = []
        sessions.forEach { id, _ in all.append(id) }
        for id in all { sessions[id]?.lastUsed = now }
    }

    /// The sessions whose time is over, in an order that does not depend on chance.
    func ended(at now: Int64) -> [[UInt8]] {
        var ended: [[UInt8]] = []
        sessions.forEach { id, session in
            if session.lastUsed.addingClamped(Limits.sessionLife.inMilliseconds) <= now { ended.append(id) }
        }
        return ended.sorted { $0.lexicographicallyPrecedes($1) }
    }

    mutating func end(_ id: [UInt8]) {
        guard let session = sessions.removeValue(forKey: id) else { return }
        bytes -= session.bytes
    }

    // MARK: Checkpoints

    init() {}

    /// Gives what writes each session.
    func forEachItem(_ body: ((inout RecordWriter) -> Void) throws -> Void) rethrows {
        try sessions.forEach { id, session in
            try body { writer in
                writer.putBytes(id)
                writer.put(session.floor)
                writer.put(session.lastUsed)
                writer.putVariable(UInt64(session.order.count))
                for number in session.order {
                    guard let outcome = session.outcomes[number] else { continue }
                    writer.put(number)
                    writer.put(outcome.change)
                    writer.putBytes(outcome.results)
                }
            }
        }
    }

    /// Takes up a session.
    mutating func restore(_ reader: inout RecordReader) throws(RecordError) {
        let id = Array(try reader.slice())
        var session = Session(lastUsed: 0)
        let floor: UInt64 = try reader.get()
        session.lastUsed = try reader.time()
        for _ in 0..<(try reader.variable()) {
            let number: UInt64 = try reader.get(), change = try reader.number()
            session.add(number, Outcome(results: Array(try reader.slice()), change: change))
        }
        session.floor = floor
        end(id)
        bytes += session.bytes
        sessions[id] = session
    }
}

extension SessionTable.Session {
    /// - Parameter most: of how many bytes outcomes are kept; the latest one is, whatever it takes.
    /// - Returns: by how many bytes it takes more than before.
    fileprivate mutating func record(
        _ number: UInt64,
        acknowledged: UInt64,
        _ outcome: SessionTable.Outcome,
        at now: Int64,
        keeping most: Int
    ) -> Int {
        let before = bytes
        lastUsed = max(lastUsed, now)
        add(number, outcome)
        if acknowledged > floor {
            // Numbers mostly come in their order: those that are acknowledged stand in front.
            while let first = order.first, first <= acknowledged { dropFirst() }
            floor = acknowledged
            if isMixed { dropMixed(upTo: acknowledged) }
        }
        while order.count > Limits.sessionOutcomes || bytes > most, order.count > 1 { dropFirst() }
        return bytes - before
    }

    fileprivate mutating func add(_ number: UInt64, _ outcome: SessionTable.Outcome) {
        outcomes[number] = outcome
        if let last = order.last, number < last { isMixed = true }
        order.append(number)
        bytes += outcome.bytes
    }

    /// Drops those that are acknowledged and do not stand in front.
    private mutating func dropMixed(upTo acknowledged: UInt64) {
        for number in order where number <= acknowledged { forget(number) }
        order.removeAll { outcomes[$0] == nil }
        isMixed = !zip(order, order.dropFirst()).allSatisfy { $0 < $1 }
    }

    private mutating func dropFirst() {
        let number = order.removeFirst()
        forget(number)
        floor = max(floor, number)
    }

    private mutating func forget(_ number: UInt64) {
        guard let outcome = outcomes.removeValue(forKey: number) else { return }
        bytes -= outcome.bytes
    }
}
