import GodwitJournal

/// A journal behind a reference, for `#expect` cannot take what cannot be copied; and what it replayed.
final class OpenedJournal {
    private var journal: Journal
    private(set) var replayed: [Replayed]
    /// What the checkpoint held.
    let chunks: [Chunk]
    var entries: [Entry] { replayed.map(\.entry) }

    init(_ storage: any Storage, _ options: JournalOptions) throws {
        var found: [Replayed] = []
        var restored: [Chunk] = []
        journal = try Journal.open(
            storage,
            options: options,
            restore: { restored.append(Chunk(section: $0, bytes: Array($1))) },
            replay: { record in
                let entry = Entry(kind: record.kind, critical: record.critical, header: Array(record.header), body: Array(record.body))
                found.append(Replayed(entry: entry, number: record.number, location: record.location))
            }
        )
        replayed = found
        chunks = restored
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
    func beginMaintenance(mayCreate: Bool = true) -> JournalMaintenance? { journal.beginMaintenance(mayCreate: mayCreate) }
    func endMaintenance(_ result: JournalMaintenance.Result) { journal.endMaintenance(result) }
    func maintain() { journal.maintain() }
    func pin() -> JournalPin { journal.pin() }
    var segments: [UInt32] { journal.segments }
    var reclaimable: [UInt32] { journal.reclaimable }
    func reclaim(_ segments: [UInt32]) { journal.reclaim(segments) }
    var diskBytes: Int { journal.diskBytes }
    func refuses(_ purpose: Journal.Purpose) -> Bool { journal.refuses(purpose) }
    func beginCheckpoint() throws(JournalError) -> CheckpointWriter? { try journal.beginCheckpoint() }
    func endCheckpoint(_ writer: CheckpointWriter, failure: JournalError? = nil) { journal.endCheckpoint(writer, failure: failure) }
    var bytesSinceCheckpoint: Int { journal.bytesSinceCheckpoint }
    var lastCheckpointBytes: Int { journal.lastCheckpointBytes }
    var checkpointCount: Int { journal.checkpointCount }
    var isCheckpointing: Bool { journal.isCheckpointing }

    /// Does maintenance until there is nothing to do or something fails; answers the failure.
    @discardableResult
    func maintainAll() -> JournalError? {
        while let maintenance = beginMaintenance() {
            let result = maintenance.run()
            endMaintenance(result)
            if let failure = result.failure { return failure }
        }
        return nil
    }

    /// A whole checkpoint of these chunks, synced and placed.
    func checkpoint(_ chunks: [Chunk]) throws {
        guard let writer = try beginCheckpoint() else { return }
        do throws(JournalError) {
            for chunk in chunks { try chunk.write(to: writer) }
            try writer.finish()
            endCheckpoint(writer)
        } catch {
            endCheckpoint(writer, failure: error)
            throw error
        }
        try sync()
        maintain()
    }

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

/// A part of a checkpoint.
struct Chunk: Equatable, Sendable {
    var section: UInt8
    var bytes: [UInt8]

    func write(to writer: CheckpointWriter) throws(JournalError) {
        var failure: JournalError?
        bytes.withUnsafeBytes { bytes in
            do throws(JournalError) { try writer.append(section, bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
