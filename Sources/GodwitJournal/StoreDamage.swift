/// Bytes of a store that are not what was written.
package struct StoreDamage: Sendable, Hashable {
    /// A record whose header is sound and whose body is not.
    package struct Record: Sendable, Hashable {
        package var location: RecordLocation
        package var kind: UInt8
        package var header: [UInt8]

        package init(location: RecordLocation, kind: UInt8, header: [UInt8]) {
            self.location = location
            self.kind = kind
            self.header = header
        }
    }

    /// The file's name in the folder.
    package var file: String
    package var offset: UInt64
    /// How far the damage reaches at most.
    package var bytes: Int
    package var what: String
    /// How many records are lost with it; nil when that cannot be known.
    package var lostRecords: UInt64?
    /// The number of the first of them.
    package var firstLostRecord: UInt64?
    /// Those of the lost records that can still be told by their headers.
    package var records: [Record] = []
}

extension StoreDamage {
    init(file: String, offset: UInt64, bytes: Int, what: String) {
        self.file = file
        self.offset = offset
        self.bytes = bytes
        self.what = what
    }

    /// What an error says about a file; nil when it says that the file is not damaged.
    init?(_ error: JournalError, file: String) {
        switch error {
        case .corrupt(_, let offset, let what): self.init(file: file, offset: offset, bytes: 0, what: what)
        case .io: self.init(file: file, offset: 0, bytes: 0, what: "\(error)")
        default: return nil
        }
    }
}
