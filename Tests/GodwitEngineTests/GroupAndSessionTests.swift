import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Tables of groups and sessions")
struct GroupAndSessionTests {
    private func key(_ name: String, _ queue: UInt32 = 1) -> GroupTable.Key { GroupTable.Key(queue: queue, name: Array(name.utf8)) }

    @Test("a group keeps its members in order, is forgotten with the last one, and its place is used again")
    func groups() throws {
        var table = GroupTable()
        let first = table.append(1, to: key("a")), second = table.append(2, to: key("b"))
        let a = try #require(first), b = try #require(second)
        table.append(3, to: key("a"))
        table.append(4, to: key("a"))
        #expect(table.append(9, to: key("a", 2)) != a)
        #expect(table.members(of: key("a")) == [1, 3, 4])
        #expect(table.group(of: 3) == a && table.head(of: a) == 1)
        table.rotate(a)
        #expect(table.members(of: key("a")) == [3, 4, 1])
        table.remove(3)
        table.remove(4)
        table.remove(4)
        #expect(table.head(of: a) == 1 && table.group(of: 3) == nil)
        table.rotate(a)
        #expect(table.members(of: key("a")) == [1])
        table.remove(1)
        #expect(table.head(of: a) == nil && table.members(of: key("a")).isEmpty && table.count == 2)
        #expect(table.append(5, to: key("c")) == a)
        #expect(table.head(of: b) == 2 && table.memberCount == 3)
    }

    @Test("members leave a group from anywhere, as they would a plain list", arguments: 1...4 as ClosedRange<UInt64>)
    func leaving(seed: UInt64) {
        var random = SplitMix64(seed: seed), table = GroupTable(), model: [UInt64] = [], next: UInt64 = 1 << 40
        for _ in 0..<3_000 {
            switch random.next() % 5 {
            case 0, 1:
                table.append(next, to: key("a"))
                model.append(next)
                next += random.next() % 1_000 + 1
            case 2:
                guard let first = model.first, let group = table.group(of: first) else { continue }
                table.rotate(group)
                model.append(model.removeFirst())
            default:
                guard !model.isEmpty else { continue }
                table.remove(model.remove(at: Int(random.next() % UInt64(model.count))))
            }
            #expect(table.members(of: key("a")) == model && table.memberCount == model.count)
        }
    }

    @Test("a table of groups is written down and read back, a large group in parts")
    func writtenGroups() throws {
        var table = GroupTable()
        for sequence in 1...300 as ClosedRange<UInt64> { table.append(sequence, to: key("g\(sequence % 7)")) }
        table.remove(7)
        for sequence in 0..<50_000 as Range<UInt64> { table.append(1 << 37 + sequence * 7_919 % 50_021, to: key("g0")) }
        var writer = RecordWriter(), largest = 0
        let snapshot = table.snapshot()
        defer { table.endSnapshot() }
        // What comes later is not in it.
        table.append(1 << 37 + 60_000, to: key("late"))
        table.remove(8)
        snapshot.forEachItem { item in
            let before = writer.bytes.count
            item(&writer)
            largest = max(largest, writer.bytes.count - before)
        }
        #expect(largest < 100 << 10)
        try writer.bytes.withBytes { bytes throws(RecordError) in
            var reader = RecordReader(bytes)
            var copy = GroupTable()
            while !reader.isAtEnd { try copy.restore(&reader) }
            #expect(copy.members(of: key("g1")).contains(8) && copy.members(of: key("late")).isEmpty)
            copy.remove(8)
            for name in 0..<7 {
                let mine = copy.members(of: key("g\(name)")), all = table.members(of: key("g\(name)"))
                #expect(mine == all)
            }
            let count = copy.memberCount
            #expect(count == 50_298)
        }
    }

    private func outcome(_ byte: UInt8) -> SessionTable.Outcome { SessionTable.Outcome(results: [byte], change: UInt64(byte)) }
    private let one: [UInt8] = [1]

    @Test("a session knows its outcomes until they are acknowledged; then it knows that they are gone")
    func sessions() {
        var table = SessionTable()
        #expect(table.look(one, 1) == .noSession)
        for number in 1...5 as ClosedRange<UInt64> { table.record(one, number, acknowledged: 0, outcome(UInt8(number)), at: 0) }
        #expect(table.look(one, 3) == .known(outcome(3)) && table.look(one, 6) == .new)
        table.record(one, 9, acknowledged: 4, outcome(9), at: 0)
        #expect(table.look(one, 4) == .dropped && table.look(one, 5) == .known(outcome(5)))
        // What comes later than its followers is new all the same.
        #expect(table.look(one, 7) == .new)
        table.record(one, 7, acknowledged: 4, outcome(7), at: 0)
        table.record(one, 10, acknowledged: 9, outcome(10), at: 0)
        #expect(table.look(one, 7) == .dropped && table.look(one, 9) == .dropped && table.look(one, 10) == .known(outcome(10)))
    }

    @Test("an acknowledged outcome is gone whatever the order in which the numbers came")
    func acknowledgedOutOfOrder() {
        var table = SessionTable()
        for number in [2, 3, 1] as [UInt64] { table.record(one, number, acknowledged: 0, outcome(UInt8(number)), at: 0) }
        table.record(one, 4, acknowledged: 2, outcome(4), at: 0)
        #expect(table.look(one, 1) == .dropped && table.look(one, 2) == .dropped && table.look(one, 3) == .known(outcome(3)))
    }

    @Test("a session keeps the newest 4,096 outcomes, and no more than 3 MiB of them, as they are counted in memory")
    func sessionLimits() {
        var table = SessionTable()
        for number in 1...5_000 as ClosedRange<UInt64> { table.record(one, number, acknowledged: 0, outcome(1), at: 0) }
        #expect(table.look(one, 904) == .dropped && table.look(one, 905) == .known(outcome(1)))
        let large = SessionTable.Outcome(results: Array(repeating: 0, count: (1 << 20) - 96), change: 1)
        for number in 6_001...6_006 as ClosedRange<UInt64> { table.record(one, number, acknowledged: 0, large, at: 0) }
        #expect(table.look(one, 6_003) == .dropped && table.look(one, 6_004) == .known(large))
        #expect(table.bytes == 3 << 20)
        table.end(one)
        #expect(table.bytes == 0)
    }

    @Test("when all sessions together keep too much, one that goes on keeps its share alone, and none loses its latest outcome")
    func sessionsTogether() {
        var table = SessionTable()
        let large = SessionTable.Outcome(results: Array(repeating: 0, count: (1 << 20) - 96), change: 1)
        let ids = (0..<128 as Range<UInt8>).map { [$0] }
        for id in ids { for number in 1...3 as ClosedRange<UInt64> { table.record(id, number, acknowledged: 0, large, at: 0) } }
        #expect(table.bytes <= SessionTable.mostBytesOfAll + 128 << 20)
        // One that was early has all that it had.
        #expect(table.look(ids[0], 1) == .known(large))
        #expect(table.look(ids[127], 1) == .dropped && table.look(ids[127], 3) == .known(large))
        table.record(ids[0], 4, acknowledged: 0, large, at: 0)
        #expect(table.look(ids[0], 2) == .dropped && table.look(ids[0], 4) == .known(large))
        // When others have ended there is room again.
        for id in ids[1...] { table.end(id) }
        for number in 5...7 as ClosedRange<UInt64> { table.record(ids[0], number, acknowledged: 0, large, at: 0) }
        #expect(table.look(ids[0], 5) == .known(large) && table.bytes == 3 << 20)
    }

    @Test("a session ends ten minutes after its last request")
    func sessionEnds() {
        var table = SessionTable()
        table.record([2], 1, acknowledged: 0, outcome(1), at: 0)
        table.record([1], 1, acknowledged: 0, outcome(1), at: 0)
        table.record([3], 1, acknowledged: 0, outcome(1), at: 0)
        table.touch([3], at: 5)
        table.touch([9], at: 5)
        #expect(table.ended(at: 599_999).isEmpty && table.ended(at: 600_000) == [[1], [2]])
        table.end([1])
        table.touchAll(at: 100)
        #expect(table.ended(at: 600_099).isEmpty && table.look([1], 1) == .noSession && table.count == 2)
    }

    @Test("a table of sessions is written down and read back")
    func writtenSessions() throws {
        var table = SessionTable()
        for number in 1...5 as ClosedRange<UInt64> { table.record(one, number, acknowledged: 2, outcome(UInt8(number)), at: 7) }
        table.record([2], 3, acknowledged: 0, outcome(4), at: 9)
        var writer = RecordWriter()
        table.forEachItem { $0(&writer) }
        try writer.bytes.withBytes { bytes throws(RecordError) in
            var reader = RecordReader(bytes)
            var copy = SessionTable()
            while !reader.isAtEnd { try copy.restore(&reader) }
            for id in [one, [2], [3]] {
                for number in 0...7 as ClosedRange<UInt64> { #expect(copy.look(id, number) == table.look(id, number)) }
            }
            #expect(copy.ended(at: 600_008) == [one])
        }
    }

    @Test("what was acknowledged is forgotten wherever it stands, also when numbers came out of their order")
    func acknowledgements() {
        var table = SessionTable()
        let id = Array("s".utf8)
        func record(_ number: UInt64, acknowledged: UInt64 = 0) {
            let outcome = SessionTable.Outcome(results: [UInt8(number)], change: number)
            table.record(id, number, acknowledged: acknowledged, outcome, at: 1)
        }
        for number in [1, 5, 2, 3] as [UInt64] { record(number) }
        record(6, acknowledged: 3)
        for number in [1, 2, 3] as [UInt64] { #expect(table.look(id, number) == .dropped) }
        #expect(table.look(id, 4) == .new)
        for number in [5, 6] as [UInt64] { #expect(table.look(id, number) == .known(.init(results: [UInt8(number)], change: number))) }
        // One that comes though it was acknowledged is answered all the same, and goes with the next.
        record(2, acknowledged: 3)
        #expect(table.look(id, 2) == .known(.init(results: [2], change: 2)))
        record(7, acknowledged: 5)
        #expect(table.look(id, 2) == .dropped && table.look(id, 5) == .dropped)
        record(8, acknowledged: 7)
        #expect(table.look(id, 6) == .dropped && table.look(id, 7) == .dropped)
        #expect(table.look(id, 8) == .known(.init(results: [8], change: 8)))
    }
}
