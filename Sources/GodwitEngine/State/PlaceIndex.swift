/// Finds things by the hash of their keys: it remembers the place of each, a number from 1 to 2^48 - 2, in about 8 bytes. The keys are its
/// owner's.
///
/// Open addressing in parts, which grow one by one and by a part of what they are, so that growing moves little at a time.
struct PlaceIndex: Sendable {
    private static let partCount = 256
    /// A small one is one part.
    private static let mostUndivided = 1_024
    private var parts: [Part] = []
    private var count = 0

    private func index(of hash: UInt64) -> Int { parts.count == 1 ? 0 : Int(hash >> 56) }

    /// The place with this hash of which `isIt` says that it is the one.
    @inline(__always)
    func find(_ hash: UInt64, where isIt: (UInt64) -> Bool) -> UInt64? {
        parts.isEmpty ? nil : parts[index(of: hash)].find(hash, where: isIt)
    }

    /// Adds a place, which must not be there.
    /// - Parameter hashOf: the hash of a place that is there.
    mutating func insert(_ hash: UInt64, _ place: UInt64, hashOf: (UInt64) -> UInt64) {
        if parts.isEmpty { parts = [Part()] }
        if parts.count == 1, parts[0].count >= Self.mostUndivided { divide(hashOf) }
        parts[index(of: hash)].insert(hash, place, hashOf)
        count += 1
    }

    private mutating func divide(_ hashOf: (UInt64) -> UInt64) {
        let whole = parts[0]
        parts = Array(repeating: Part(), count: Self.partCount)
        whole.forEach { place in
            let hash = hashOf(place)
            parts[index(of: hash)].insert(hash, place, hashOf)
        }
    }

    /// Takes a place out.
    mutating func remove(_ hash: UInt64, _ place: UInt64, hashOf: (UInt64) -> UInt64) {
        guard !parts.isEmpty, parts[index(of: hash)].remove(hash, place, hashOf) else { return }
        count -= 1
        // Of ever so many queues each had much to find once.
        if count == 0 { parts = [] }
    }

    /// The bytes that it takes.
    var bytes: Int { parts.reduce(0) { $0 + $1.bytes } }

    private struct Part {
        /// In 6 bytes each; ``empty``, or ``gone`` where one was taken out and searches go on.
        private var places: [Packed48] = []
        private(set) var count = 0
        /// How many are not empty.
        private var used = 0

        private static let empty: UInt64 = 0
        private static let gone: UInt64 = 1 << 48 - 1
        /// A smaller one does not shrink.
        private static let leastShrunk = 64

        var bytes: Int { MemoryLayout<Part>.stride + places.capacity * MemoryLayout<Packed48>.stride }

        private func home(_ hash: UInt64) -> Int { Int(((hash & 0xffff_ffff) &* UInt64(places.count)) >> 32) }
        private func next(_ at: Int) -> Int { at + 1 == places.count ? 0 : at + 1 }

        @inline(__always)
        func find(_ hash: UInt64, where isIt: (UInt64) -> Bool) -> UInt64? { index(hash, where: isIt).map { places[$0].number } }

        @inline(__always)
        private func index(_ hash: UInt64, where isIt: (UInt64) -> Bool) -> Int? {
            guard count > 0 else { return nil }
            var at = home(hash)
            // A fifth is empty.
            while true {
                let place = places[at].number
                if place == Self.empty { return nil }
                if place != Self.gone, isIt(place) { return at }
                at = next(at)
            }
        }

        mutating func insert(_ hash: UInt64, _ place: UInt64, _ hashOf: (UInt64) -> UInt64) {
            if (used + 1) * 5 > places.count * 4 { layOut(hashOf) }
            put(hash, place)
        }

        private mutating func put(_ hash: UInt64, _ place: UInt64) {
            var at = home(hash)
            while places[at].number != Self.empty, places[at].number != Self.gone { at = next(at) }
            if places[at].number == Self.empty { used += 1 }
            places[at] = Packed48(place)
            count += 1
        }

        /// - Returns: whether it was there.
        mutating func remove(_ hash: UInt64, _ place: UInt64, _ hashOf: (UInt64) -> UInt64) -> Bool {
            guard let at = index(hash, where: { $0 == place }) else { return false }
            places[at] = Packed48(Self.gone)
            count -= 1
            if places.count >= Self.leastShrunk, count * 4 < places.count { layOut(hashOf) }
            return true
        }

        /// Makes room for an eighth more than there is.
        private mutating func layOut(_ hashOf: (UInt64) -> UInt64) {
            let former = self
            let room = count * 10 / 7 + 8
            places = []
            places.reserveCapacity(room)
            for _ in 0..<room { places.append(Packed48(Self.empty)) }
            (count, used) = (0, 0)
            former.forEach { put(hashOf($0), $0) }
        }

        func forEach(_ body: (UInt64) -> Void) {
            for place in places where place.number != Self.empty && place.number != Self.gone { body(place.number) }
        }
    }
}
