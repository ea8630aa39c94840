import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("An index of places")
struct PlaceIndexTests {
    private static func hash(_ place: UInt64) -> UInt64 {
        var random = SplitMix64(seed: place)
        return random.next()
    }

    private static func find(_ index: PlaceIndex, _ place: UInt64) -> Bool {
        index.find(hash(place)) { $0 == place } == place
    }

    @Test("holds what is put in and not taken out in about eight bytes each, and is nothing when empty", arguments: UInt64(1)...3)
    func comesAndGoes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var index = PlaceIndex(), there: Set<UInt64> = []
        for round in 0..<3 {
            while there.count < 20_000 {
                let place = random.next() % 1_000_000 + 1
                guard there.insert(place).inserted else { continue }
                index.insert(Self.hash(place), place, hashOf: Self.hash)
            }
            #expect(there.allSatisfy { Self.find(index, $0) })
            #expect(index.bytes < 20_000 * 10)
            for place in there where random.next() % 2 == 0 {
                there.remove(place)
                index.remove(Self.hash(place), place, hashOf: Self.hash)
            }
            let wrong = (1...20_000).filter { Self.find(index, $0) != there.contains($0) }
            #expect(wrong.isEmpty, "in round \(round)")
        }
        for place in there { index.remove(Self.hash(place), place, hashOf: Self.hash) }
        #expect(index.bytes == 0)
        index.remove(Self.hash(7), 7, hashOf: Self.hash)
        index.insert(Self.hash(7), 7, hashOf: Self.hash)
        #expect(Self.find(index, 7) && !Self.find(index, 8))
    }

    @Test("places of one hash are told apart")
    func collisions() {
        var index = PlaceIndex()
        for place in UInt64(1)...1_500 { index.insert(42, place, hashOf: { _ in 42 }) }
        for place in stride(from: UInt64(1), through: 1_500, by: 2) { index.remove(42, place, hashOf: { _ in 42 }) }
        let found = (UInt64(1)...1_500).filter { place in index.find(42) { $0 == place } != nil }
        #expect(found == Array(stride(from: UInt64(2), through: 1_500, by: 2)))
    }
}
