/// What the records and checkpoints of a store may say.
///
/// A store keeps the level that it was made with until `godwit upgrade` raises it, and the engine writes nothing into it that needs a
/// higher one: so the version that made it can still open it. Whoever adds to the format names a level here, unless the newest one was
/// never released; answers it in ``Change/level`` for what needs it; and writes what is new in checkpoints from that level on alone. The
/// rest follows: operations are refused, and a store of a higher level than ``newest`` is not opened.
package struct FormatLevel: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Of stores that do not say it: development versions before 0.1 made them.
    package static let unnamed = FormatLevel(rawValue: 0)
    /// Of 0.1.
    package static let first = FormatLevel(rawValue: 1)
    /// What this version writes into stores that it makes, and the highest that it reads.
    package static let newest = first

    package var description: String { String(rawValue) }
    package static func < (a: FormatLevel, b: FormatLevel) -> Bool { a.rawValue < b.rawValue }
}

extension Change {
    /// The lowest level of a store that can hold this.
    var level: FormatLevel {
        switch self {
        case .past, .added, .followed, .reserved: .first
        case .published(let job): job.isPlain ? .unnamed : .first
        default: .unnamed
        }
    }
}

extension Publication {
    /// Whether every level can hold it.
    fileprivate var isPlain: Bool {
        created == nil && onFinalBytes == 0 && !isTransient && !(message?.deaths.contains { $0.foreign != nil } ?? false)
    }
}
