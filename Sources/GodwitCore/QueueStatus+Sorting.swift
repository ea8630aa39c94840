extension [QueueStatus] {
    /// In the order of their names. There may be very many, and statuses are large: their places are sorted, by the beginnings of the names where
    /// these tell them apart.
    package func sortedByName() -> [QueueStatus] {
        var keys: [NameKey] = []
        keys.reserveCapacity(count)
        for place in indices { keys.append(NameKey(self[place].name, at: place)) }
        keys.sort { one, other in
            if one.first != other.first { return one.first < other.first }
            if one.second != other.second { return one.second < other.second }
            return self[one.place].name < self[other.place].name
        }
        return keys.map { self[$0.place] }
    }
}

/// The first 16 bytes of a name, with zeros after its end, which are in no name.
private struct NameKey {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var place: Int

    init(_ name: QueueName, at place: Int) {
        self.place = place
        var shift: UInt64 = 56, rest = 16
        for byte in name.description.utf8 {
            if rest > 8 { first |= UInt64(byte) << shift } else { second |= UInt64(byte) << shift }
            rest -= 1
            if rest == 0 { break }
            shift = shift == 0 ? 56 : shift - 8
        }
    }
}
