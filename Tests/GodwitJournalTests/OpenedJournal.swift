import GodwitJournal

/// A journal behind a reference, for `#expect` cannot take what cannot be copied; and what it replayed.
final class OpenedJournal {
    private var journal: Journal
    private(set) var replayed: [Replayed]
    var entries: [Entry] { replayed.map(\.entry) }

    init(_ storage: any Storage, _ options: JournalOptions) throws {
        var found: [Replayed] = []
        journal = try Journal.open(storage, options: options) { record in
            let entry = Entry(kind: record.kind, critical: record.critical, header: Array(record.header), body: Array(record.body))
            found.append(Replayed(entry: entry, number: record.number, location: record.location))
        }
        replayed = found
    }

    var recovery: JournalRecovery { journal.recovery }
    var reader: JournalReader { journal.reader }
    var failure: JournalError? { journal.failure }
    var storeID: StoreID { journal.storeID }
    var syncedGroup: UInt64 { journal.syncedGroup }
    var writtenGroup: UInt64 { journal.writtenGroup }
    var currentGroup: UInt64 { journal.currentGroup }
    var isSynced: Bool { journal.isSynced }
    var needsMark: Bool { journal.needsMark }
    var maximumReservation: Int { journal.maximumReservation }

    func reserve(_ bytes: Int, for purpose: Journal.Purpose) throws(JournalError) { try journal.reserve(bytes, for: purpose) }
    func append(_ entry: Entry) -> RecordLocation {
        journal.append(kind: entry.kind, critical: entry.critical, header: entry.header.span.bytes, body: entry.body.span.bytes)
    }
    @discardableResult
    func write() throws(JournalError) -> UInt64 { try journal.write() }
    func sync() throws(JournalError) { try journal.sync() }
    func beginSync() -> JournalSync? { journal.beginSync() }
    func endSync(_ sync: JournalSync, failure: JournalError? = nil) { journal.endSync(sync, failure: failure) }
    func writeMark() throws(JournalError) { try journal.writeMark() }
    func close() throws(JournalError) { try journal.close() }
    func beginPreparation() -> JournalPreparation? { journal.beginPreparation() }
    func endPreparation(_ prepared: PreparedSegment?) { journal.endPreparation(prepared) }

    /// One transaction.
    @discardableResult
    func add(_ entries: [Entry], for purpose: Journal.Purpose = .publish) throws(JournalError) -> [RecordLocation] {
        try reserve(entries.reduce(0) { $0 + Journal.recordBytes(header: $1.header.count, body: $1.body.count) }, for: purpose)
        return entries.map(append)
    }

    /// One transaction, written and synced with all before it.
    @discardableResult
    func commit(_ entries: [Entry]) throws(JournalError) -> [RecordLocation] {
        let locations = try add(entries)
        try write()
        try sync()
        return locations
    }
}
