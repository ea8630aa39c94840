import GodwitCore

/// How far ahead of UTC the clocks of a time zone are: its file in the time zone database, in the format of RFC 9636 (TZif).
///
/// Foundation's `TimeZone` knows the same, out of ICU. A program that is linked statically has ICU only when something else in it names it, and
/// then 31 MB of its data; without it no name but UTC is known. The machine's own database is also the one that its updates keep right.
struct ZoneClock: Sendable, Equatable {
    /// Seconds since 1970 of each change, and what holds from there on.
    private var changes: [Int64] = []
    private var aheadAfter: [Int32] = []
    private var aheadBefore: Int32
    /// What holds after the last change; nil where that goes on for ever.
    private var rule: TimeZoneRule?

    static let utc = ZoneClock(ahead: 0)
    /// More hours than any zone was ever ahead or behind (RFC 9636, section 3.2).
    private static let furthest: Int64 = 26 * 3_600

    private init(ahead: Int32) { aheadBefore = ahead }

    /// How far ahead of UTC the clocks are, in seconds, at a time in seconds since 1970.
    func offset(at time: Int64) -> Int64 {
        guard let last = changes.last, time < last else {
            if let rule { return rule.offset(at: time) }
            return Int64(aheadAfter.last ?? aheadBefore)
        }
        var low = 0, high = changes.count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle] <= time { low = middle + 1 } else { high = middle }
        }
        return Int64(low == 0 ? aheadBefore : aheadAfter[low - 1])
    }
}

extension ZoneClock {
    /// Reads a zone's file.
    /// - Returns: nil for bytes that are no such file, or one that counts leap seconds (POSIX time does not).
    init?(file: [UInt8]) {
        var reader = Reader(bytes: file[...])
        guard var header = reader.header() else { return nil }
        var width = 4
        if header.version >= 2 {
            // The first part is for readers of times of 32 bits.
            guard reader.skip(header.size(width: 4)), let second = reader.header() else { return nil }
            header = second
            width = 8
        }
        guard header.leaps == 0, header.types > 0 else { return nil }
        guard let changes = reader.times(header.changes, width: width), let kinds = reader.take(header.changes),
            let offsets = reader.offsets(header.types), kinds.allSatisfy({ $0 < header.types }),
            zip(changes, changes.dropFirst()).allSatisfy({ $0 < $1 }), offsets.allSatisfy({ abs(Int64($0)) <= Self.furthest }),
            reader.skip(header.characters + header.standards + header.universals)
        else { return nil }
        // Before the first change the first type holds (section 3.2).
        self.init(ahead: offsets[0])
        self.changes = changes
        aheadAfter = kinds.map { offsets[Int($0)] }
        guard width == 8 else { return }
        guard let footer = reader.footer() else { return nil }
        if footer.isEmpty { return }
        guard let rule = TimeZoneRule(footer) else { return nil }
        self.rule = rule
    }

    private struct Header {
        var version: UInt8
        var universals, standards, leaps, changes, types, characters: Int

        /// Bytes of what follows it.
        func size(width: Int) -> Int {
            changes * (width + 1) + types * 6 + characters + leaps * (width + 4) + standards + universals
        }
    }

    /// Takes a file's parts from its front; each count in it is believed as far as there are bytes.
    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count <= bytes.count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count)
        }

        mutating func skip(_ count: Int) -> Bool { take(count) != nil }

        mutating func integer(_ width: Int) -> Int64? {
            guard let bytes = take(width), let first = bytes.first else { return nil }
            return bytes.dropFirst().reduce(Int64(Int8(bitPattern: first))) { $0 << 8 | Int64($1) }
        }

        mutating func count() -> Int? { integer(4).flatMap { $0 >= 0 ? Int($0) : nil } }

        mutating func header() -> Header? {
            guard let magic = take(4), magic.elementsEqual("TZif".utf8), let version = take(1)?.first, skip(15),
                let universals = count(), let standards = count(), let leaps = count(), let changes = count(), let types = count(),
                let characters = count()
            else { return nil }
            return Header(
                version: version == 0 ? 1 : version &- 0x30,
                universals: universals,
                standards: standards,
                leaps: leaps,
                changes: changes,
                types: types,
                characters: characters
            )
        }

        mutating func times(_ count: Int, width: Int) -> [Int64]? {
            guard count <= bytes.count / width else { return nil }
            return (0..<count).compactMap { _ in integer(width) }
        }

        mutating func offsets(_ count: Int) -> [Int32]? {
            guard count <= bytes.count / 6 else { return nil }
            return (0..<count).compactMap { _ in
                let ahead = integer(4)
                return skip(2) ? ahead.map { Int32($0) } : nil
            }
        }

        /// What stands between two line ends.
        mutating func footer() -> String? {
            guard take(1)?.first == 0x0a, let end = bytes.firstIndex(of: 0x0a) else { return nil }
            return String(validating: bytes[..<end], as: UTF8.self)
        }
    }
}
