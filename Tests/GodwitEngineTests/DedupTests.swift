import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Idempotency keys in memory and in checkpoints", .timeLimit(.minutes(1)))
struct DedupTests {
    private let identity = StoreIdentity(incarnation: 1, k0: 1, k1: 2)
    private let clock = ManualClock(start: Fixture.start)

    private func mark(_ key: String, in queue: UInt32 = 1) -> KeyMark { KeyMark(Array(key.utf8), in: queue, identity) }

    private func entry(_ key: String, _ sequence: UInt64, at time: Int64) -> KeyLine.Entry {
        KeyLine.Entry(mark: mark(key), fingerprint: FingerprintMark(sequence, identity), sequence: sequence, at: time)
    }

    @Test("the window finds keys, and forgets the oldest first")
    func window() {
        var window = DedupWindow()
        for index in 0..<5_000 as Range<UInt64> { window.insert(entry("key \(index)", index, at: Int64(index))) }
        #expect(window.count(upTo: 2_999, limit: 10_000) == 3_000 && window.count(upTo: 2_999, limit: 10) == 10)
        let copy = window.line
        for _ in 0..<3_000 { window.removeFirst() }
        #expect(window.count == 2_000 && window.oldest == 3_000 && copy.count == 5_000 && copy.first?.sequence == 0)
        for index in 0..<5_000 as Range<UInt64> {
            let found = window[mark("key \(index)")]
            #expect(found?.sequence == (index < 3_000 ? nil : index) && found?.at == (index < 3_000 ? nil : Int64(index)))
        }
        #expect(window[mark("key 4000", in: 2)] == nil)
        #expect(window[mark("key 4000")]?.fingerprint == FingerprintMark(4_000, identity))
    }

    @Test("a key that is used again before the record that forgot it, which was lost, stands in the window once")
    func keyTwice() {
        var window = DedupWindow()
        func insert(_ key: String, at time: Int64) { window.insert(entry(key, UInt64(time), at: time)) }
        func all() -> [String] {
            var found: [String] = []
            window.line.forEach { key in
                let name = ["a", "b", "c"].first { mark($0) == key.mark } ?? "?"
                found.append("\(name) \(key.sequence) \(key.at)")
                return true
            }
            return found
        }
        for (time, key) in ["a", "b", "c", "b", "b"].enumerated() { insert(key, at: Int64(time)) }
        #expect(all() == ["a 0 0", "c 2 2", "b 4 4"] && window.count == 3)
        #expect(window.count(upTo: 3, limit: 9) == 2 && window.count(upTo: 9, limit: 9) == 3)
        window.removeFirst()
        #expect(window.oldest == 2 && all() == ["c 2 2", "b 4 4"])
        insert("c", at: 5)
        #expect(window.oldest == 4 && all() == ["b 4 4", "c 5 5"])
        window.removeFirst()
        window.removeFirst()
        #expect(window.count == 0 && window.oldest == nil && window[mark("b")] == nil)
    }

    @Test("keys far from each other in time and number, and a long-lived window, as a plain list has them", arguments: UInt64(1)...4)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed), window = DedupWindow(), model: [(key: String, sequence: UInt64, at: Int64)] = []
        var sequence: UInt64 = 1, time: Int64 = -5
        for step in 0..<1_500 {
            let isFar = random.next() % 100 == 0
            sequence += random.next() % (isFar ? 1 << 40 : 5) + 1
            time += Int64(random.next() % (isFar ? 1 << 40 : 5))
            if random.next() % 3 == 0, !model.isEmpty {
                window.removeFirst()
                model.removeFirst()
            }
            let key = "\(random.next() % 3 == 0 ? UInt64(step / 2) : UInt64(step))"
            model.removeAll { $0.key == key }
            window.insert(entry(key, sequence, at: time))
            model.append((key, sequence, time))
            #expect(window.count == model.count && window.oldest == model.first?.at)
            if let some = model.randomElement(using: &random) {
                #expect(window[mark(some.key)]?.sequence == some.sequence && window[mark(some.key)]?.at == some.at)
            }
        }
        var found: [UInt64] = []
        window.line.forEach { key in
            found.append(key.sequence)
            return true
        }
        #expect(found == model.map(\.sequence))
    }

    @Test("a key takes 32 bytes, whatever its length, also when keys come and go for long")
    func memory() {
        var window = DedupWindow()
        for index in 0..<40_000 as Range<UInt64> {
            window.insert(entry("a key of many more bytes than it may take in memory \(index)", index, at: Int64(index)))
        }
        #expect(window.bytes <= 34 * 40_000)
        for index in 40_000..<80_000 as Range<UInt64> {
            window.removeFirst()
            window.insert(entry("\(index)", index, at: Int64(index)))
        }
        #expect(window.bytes <= 37 * 40_000)
        for _ in 0..<39_000 { window.removeFirst() }
        #expect(window.count == 1_000 && window.bytes <= 160 * 1_000)
    }

    private func publish(_ core: inout EngineCore, _ key: String, _ fingerprint: UInt64) -> Answer? {
        core.turn(
            [(1, Core.publish { $0.deduplication = NewMessage.Deduplication(key: key, fingerprint: fingerprint) })],
            at: clock.now()
        )
        if let sync = core.beginSync() {
            try? sync.run()
            core.endSync(sync, failure: nil)
        }
        return core.takeAnswers().first { $0.0 == 1 }?.1
    }

    private func hasDuplicate(_ answer: Answer?) -> Bool {
        if case .outcomes(let views)? = answer, case .one(.duplicate)? = views.first { true } else { false }
    }

    private func isConflict(_ answer: Answer?) -> Bool {
        if case .outcomes(let views)? = answer, case .aborted(_, let error)? = views.first { error.code == .keyConflict } else { false }
    }

    @Test("keys and fingerprints come back from checkpoints of every level, those of level 0 with their text", arguments: [false, true])
    func checkpoints(isOld: Bool) throws {
        let storage = MemoryStorage()
        var options = EngineOptions()
        options.clock = clock
        if isOld { options.level = .unnamed }
        var core = try EngineCore.open(storage, options: options, at: clock.now())
        for index in 0..<600 { _ = publish(&core, "key \(index)", UInt64(index)) }
        let chunks = try core.state.snapshot().chunks()
        core.state.endSnapshot()
        #expect(chunks.contains { $0.section == .keys } == isOld && chunks.contains { $0.section == .keyMarks } != isOld)
        let text = Array("key 599".utf8)
        let bytes = chunks.filter { $0.section == .keys }.flatMap(\.bytes)
        #expect(bytes.indices.contains { bytes[$0...].starts(with: text) } == isOld)
        for _ in 0..<2 {
            let isTaken = Core.checkpoint(&core)
            #expect(isTaken)
        }
        core.close()
        let killed = storage.kill()
        var again = try Core.open(killed, clock)
        #expect(hasDuplicate(publish(&again, "key 0", 0)) && hasDuplicate(publish(&again, "key 599", 599)))
        #expect(isConflict(publish(&again, "key 599", 598)) && !hasDuplicate(publish(&again, "key 600", 0)))
        guard isOld else { return }
        // Upgraded, it needs the text no more.
        again.turn([(2, .upgrade)], at: clock.now())
        for _ in 0..<2 {
            let isTaken = Core.checkpoint(&again)
            #expect(isTaken)
        }
        again.close()
        var upgraded = try Core.open(killed.kill(), clock)
        #expect(hasDuplicate(publish(&upgraded, "key 0", 0)) && isConflict(publish(&upgraded, "key 600", 1)))
        let later = try upgraded.state.snapshot().chunks()
        upgraded.state.endSnapshot()
        #expect(!later.contains { $0.section == .keys } && later.contains { $0.section == .keyMarks })
    }

    @Test("keys in a checkpoint of level 1 that a development version wrote with their text are read")
    func older() throws {
        var state = EngineState(), restore = CheckpointRestore()
        var core = try Core.open(MemoryStorage(), clock)
        core.turn([(1, Core.publish)], at: clock.now())
        for (section, bytes) in try core.state.snapshot().chunks() where section == .store || section == .queues {
            try bytes.withUnsafeBytes { try restore.take(section.rawValue, $0, into: &state) }
        }
        core.state.endSnapshot()
        var writer = RecordWriter()
        writer.put(UInt32(0))
        writer.putBytes(Array("a".utf8))
        writer.put(UInt64(5))
        writer.put(optional: UInt64(7) as UInt64?)
        writer.put(UInt64(9))
        writer.put(Int64(11))
        try writer.bytes.withUnsafeBytes { try restore.take(CheckpointSection.keys.rawValue, $0, into: &state) }
        let keys = state.queues.at(0).pointee.keys, found = keys[KeyMark(Array("a".utf8), in: 0, state.identity)]
        #expect(found?.sequence == 5 && found?.at == 11 && found?.fingerprint == FingerprintMark(7, state.identity) && keys.texts.isEmpty)
    }
}
