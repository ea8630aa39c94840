/// Looks into a store that nobody has open. Nothing is changed but the lock file.
///
/// ```swift
/// let inspection = try StoreInspection(storage)        // throws JournalError.locked when the store is open
/// let report = try inspection.walk(restore: { section, bytes in … }, record: { record, isReplayed in … })
/// for damage in report.damages { … }
/// ```
package struct StoreInspection: ~Copyable {
    private let storage: any Storage
    private let survey: StoreSurvey

    /// Takes the folder until the value is gone.
    ///
    /// - Throws: ``JournalError/locked(folder:holder:isSelf:)``, ``JournalError/newerFormat(file:what:)``, or what the storage threw.
    package init(_ storage: any Storage) throws(JournalError) {
        try storage.lock()
        do throws(JournalError) {
            survey = try StoreSurvey(storage, isTolerant: true)
        } catch {
            storage.unlock()
            throw error.located(in: storage.name)
        }
        self.storage = storage
    }

    deinit { storage.unlock() }

    /// Reads and verifies everything: every checkpoint, and every record of every segment.
    ///
    /// - Parameters:
    ///   - restore: called for each chunk of the newest whole checkpoint.
    ///   - record: called for each sound record, in order; `isReplayed` where it lies behind that checkpoint's cut, so that an opening would
    ///     replay it. Those before the cut come after `restore` all the same.
    /// - Throws: what `restore` or `record` threw, ``JournalError/newerFormat(file:what:)``. Damage and read errors are reported, not thrown.
    package func walk(
        restore: (_ section: UInt8, _ bytes: UnsafeRawBufferPointer) throws -> Void = { _, _ in },
        record: (_ record: borrowing ReplayedRecord, _ isReplayed: Bool) throws -> Void = { _, _ in }
    ) throws -> StoreReport {
        var report = try StoreReport(survey, in: storage)
        if let newest = survey.checkpoints.last {
            try CheckpointFile(storage, number: newest.header.number).read(restore)
        }
        guard let mark = survey.mark, let first = survey.segments.first else { return report }
        let cut = survey.start?.location ?? RecordLocation(segment: first.number, offset: UInt32(Block.size))
        report.cut = survey.start?.location
        report.mark = mark
        var audit = ChainAudit(survey, mark: mark)
        try audit.run(survey.segments) { segment, offset, part in
            guard case .group(let group, let bytes) = part else { return }
            report.count(group, in: segment.number)
            let place = RecordLocation(segment: segment.number, offset: UInt32(offset))
            try replayRecords(of: UnsafeRawBufferPointer(bytes), header: group, at: place) { try record($0, place >= cut) }
        }
        report.damages += audit.damages
        report.tails += audit.tails.map {
            .init(file: FileName.segment($0.segment), offset: UInt64($0.range.lowerBound), bytes: $0.range.count)
        }
        if survey.checkpoints.isEmpty, let lowest = report.segments.first?.firstGroup, lowest > 1 {
            report.damages.append(
                StoreDamage(
                    file: first.name,
                    offset: UInt64(Block.size),
                    bytes: 0,
                    what: "it goes on from a segment that is missing, and there is no checkpoint that stands for it"
                )
            )
        }
        return report
    }

    /// Reads records where they lie; damage is thrown as ``JournalReader`` throws it.
    package var reader: JournalReader {
        let table = SegmentTable(storage, openFiles: 64)
        for segment in survey.segments { table.add(segment.header) }
        return JournalReader(table: table)
    }
}
