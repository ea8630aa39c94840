/// What repairing a store did.
package struct RepairReport: Sendable {
    /// What was found, with the records that are lost. Damage before the newest checkpoint's cut stays where it is: what lies there and is
    /// still needed cannot be read, and whoever asks for it is told.
    package var damages: [StoreDamage] = []
    /// How many records are lost behind the cut, at least.
    package var lostRecords: UInt64 = 0
    /// Records that were found in damaged groups, and kept.
    package var rescuedRecords: UInt64 = 0
    /// Files that were taken out, as they are called now.
    package var quarantined: [String] = []
    /// Segments whose header was written anew.
    package var rewrittenHeaders: [String] = []
    /// The segment that stands for everything behind the first damage; nil when the chain was whole.
    package var copiedTo: String?

    /// Whether anything was changed.
    package var didRepair: Bool { !quarantined.isEmpty || !rewrittenHeaders.isEmpty || copiedTo != nil }
}

/// Takes out of a damaged store what is damaged, so that it opens again. The damaged files stay beside the others under other names.
///
/// Behind the first damaged group the chain is made anew: all sound groups, and the sound records of damaged ones, are copied into a new
/// segment, which stands for what lay there, as recovery does with a readable tail. Where records were lost, a record of the kind
/// ``lostKind`` says how many.
package enum StoreRepair {
    /// The kind of a record that stands for lost ones: not critical, without a body; its header is the number of the first lost record and
    /// how many there were (8 bytes each; 0 where it is not known).
    package static let lostKind: UInt8 = 255

    /// - Throws: ``JournalError``: the store is open, of a newer version, or cannot be repaired: without a checkpoint, and without the
    ///   beginning of the journal, there is nothing to repair it from.
    /// - Parameter notesLoss: whether records are lost that the journal itself does not miss, with a segment before the newest checkpoint's cut:
    ///   then it says so at its end, and whoever replays it looks for them no more.
    package static func run(
        _ storage: any Storage,
        options: JournalOptions = JournalOptions(),
        notesLoss: Bool = false
    ) throws -> RepairReport {
        try storage.lock()
        defer { storage.unlock() }
        do {
            return try repair(storage, options, notesLoss: notesLoss)
        } catch let error as JournalError {
            throw error.located(in: storage.name)
        }
    }

    private static func repair(_ storage: any Storage, _ options: JournalOptions, notesLoss: Bool) throws -> RepairReport {
        let survey = try StoreSurvey(storage, isTolerant: true)
        guard let mark = survey.mark, let first = survey.segments.first else {
            if let damaged = survey.damagedCheckpoints.first { throw damaged.error }
            return RepairReport()
        }
        if survey.checkpoints.isEmpty { try Journal.requireStart(of: first, survey) }
        var report = RepairReport()
        report.damages = survey.damages
        let cut = survey.start?.location ?? RecordLocation(segment: first.number, offset: UInt32(Block.size))
        var rescue = Rescue(cut: cut, chain: survey.start?.chain ?? ChainState())
        var audit = ChainAudit(survey, mark: mark)
        try audit.run(survey.segments) { segment, offset, part in try rescue.take(segment, offset, part) }
        report.damages += audit.damages
        if notesLoss { rescue.noteLoss(survey.segments) }
        if rescue.firstDamage != nil, survey.checkpoints.isEmpty, let damaged = survey.damagedCheckpoints.first {
            // segments may have been reclaimed: then what is left would bring back what was settled
            throw damaged.error
        }
        try quarantine(survey, storage, &report)
        try rewriteHeaders(survey, storage, &report)
        if let place = rescue.firstDamage {
            report.lostRecords = audit.damages.reduce(0) { sum, damage in
                guard let number = survey.segments.first(where: { $0.name == damage.file })?.number,
                    RecordLocation(segment: number, offset: UInt32(damage.offset)) >= place
                else { return sum }
                return sum + (damage.lostRecords ?? 0)
            }
            try makeAnew(storage, options, survey, rescue, at: place, &report)
        }
        return report
    }

    /// Files that belong to another store, or cannot be read at all.
    private static func quarantine(_ survey: StoreSurvey, _ storage: any Storage, _ report: inout RepairReport) throws(JournalError) {
        let known = Set((survey.segments + survey.void + survey.unused).map(\.name) + survey.unfinished)
        for damage in survey.damages where !known.contains(damage.file) {
            try storage.rename(damage.file, to: FileName.damaged(damage.file))
            report.quarantined.append(FileName.damaged(damage.file))
        }
        for (name, error) in survey.damagedCheckpoints {
            guard case .corrupt = error else { continue }
            try storage.rename(name, to: FileName.damaged(name))
            report.quarantined.append(FileName.damaged(name))
            report.damages.append(StoreDamage(error, file: name) ?? StoreDamage(file: name, offset: 0, bytes: 0, what: "\(error)"))
        }
        try storage.syncDirectory()
    }

    private static func rewriteHeaders(_ survey: StoreSurvey, _ storage: any Storage, _ report: inout RepairReport) throws(JournalError) {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Block.size, alignment: Block.size)
        defer { block.deallocate() }
        for segment in survey.segments {
            let size = try segment.open().size()
            guard survey.rebuilt.contains(where: { $0.number == segment.number }) || size < Int(segment.header.capacity) else { continue }
            var header = segment.header
            if let store = survey.store ?? survey.checkpoints.last?.header.store { header.store = store }
            header.capacity = UInt32(size & ~(Block.size - 1))
            report.quarantined.append(try keepHeader(of: segment, survey, storage))
            header.write(to: block)
            let file = try segment.open()
            try file.writeAll(UnsafeRawBufferPointer(block), at: 0)
            try file.syncData()
            report.rewrittenHeaders.append(segment.name)
        }
    }

    /// Keeps a header as it is in a file of its own.
    private static func keepHeader(
        of segment: FoundSegment,
        _ survey: StoreSurvey,
        _ storage: any Storage
    ) throws(JournalError) -> String {
        let window = FileWindow(try segment.open(), limit: Block.size)
        var name = FileName.damaged(segment.name) + "-header", copy = 0
        while survey.names.contains(name) {
            copy += 1
            name = FileName.damaged(segment.name) + "-header-\(copy)"
        }
        let file = try storage.create(name, size: Block.size)
        if let bytes = try window.bytes(at: 0, count: Block.size) { try file.writeAll(UnsafeRawBufferPointer(bytes), at: 0) }
        try file.syncData()
        try storage.syncDirectory()
        return name
    }

    /// Writes a copy that stands for everything behind the damage, makes it durable, and puts aside what it replaces.
    private static func makeAnew(
        _ storage: any Storage,
        _ options: JournalOptions,
        _ survey: StoreSurvey,
        _ rescue: Rescue,
        at place: RecordLocation,
        _ report: inout RepairReport
    ) throws {
        // the damage was found in one of the segments
        guard let damaged = survey.segments.first(where: { $0.number == place.segment }) else { return }
        var journal = Journal(
            storage,
            options: options,
            store: damaged.header.store,
            segment: try damaged.reopened(),
            chain: rescue.chain,
            mark: place
        )
        journal.nextSegment = survey.nextSegment
        journal.nextSpare = survey.nextSpare
        // this function's caller holds the folder
        defer { journal.isOpen = false }
        report.rescuedRecords = try journal.copy(rescue.parts)
        report.copiedTo = journal.segment.name
        try journal.writeMarkGroup()
        for segment in survey.segments where segment.number > place.segment {
            try storage.rename(segment.name, to: FileName.damaged(segment.name))
            report.quarantined.append(FileName.damaged(segment.name))
        }
        try storage.syncDirectory()
    }
}

/// Gathers what can be kept behind the first damage that lies behind the cut.
struct Rescue {
    struct Part {
        var segment: FoundSegment
        var range: Range<Int>
        /// A sound group's header; nil where only single records may be sound.
        var group: GroupHeader?
        /// The record that should have come first.
        var nextRecord: UInt64
        var lost: UInt64 = 0
    }

    private let cut: RecordLocation
    /// What the first part continues.
    private(set) var chain: ChainState
    private(set) var firstDamage: RecordLocation?
    private(set) var parts: [Part] = []
    private var end: RecordLocation
    private var nextRecord: UInt64

    init(cut: RecordLocation, chain: ChainState) {
        self.cut = cut
        self.chain = chain
        end = cut
        nextRecord = chain.nextRecord
    }

    /// The journal is whole, but something else is lost: it says so behind its last group.
    mutating func noteLoss(_ segments: [FoundSegment]) {
        guard firstDamage == nil, let segment = segments.first(where: { $0.number == end.segment }) else { return }
        firstDamage = end
        parts.append(Part(segment: segment, range: 0..<0, group: nil, nextRecord: nextRecord))
    }

    mutating func take(_ segment: FoundSegment, _ offset: Int, _ part: ChainAudit.Part) throws {
        let place = RecordLocation(segment: segment.number, offset: UInt32(offset))
        guard place >= cut else { return }
        switch part {
        case .group(let group, _):
            let range = offset..<offset + Int(group.length)
            if firstDamage == nil {
                chain.advance(over: group, checksum: group.checksum)
                end = RecordLocation(segment: segment.number, offset: UInt32(range.upperBound))
            } else {
                parts.append(Part(segment: segment, range: range, group: group, nextRecord: nextRecord))
            }
            nextRecord = group.firstRecord &+ UInt64(group.records)
        case .damaged(let range, let lost):
            if firstDamage == nil { firstDamage = end }
            parts.append(Part(segment: segment, range: range, group: nil, nextRecord: nextRecord, lost: lost))
        }
    }
}

extension Journal {
    /// Copies what was rescued into a new segment, as groups that continue the chain.
    ///
    /// - Returns: how many records of damaged groups there were.
    fileprivate mutating func copy(_ parts: [Rescue.Part]) throws -> UInt64 {
        // each damaged part gets a group more
        let size = parts.reduce(16 * Block.size) { $0 + Block.roundUp($1.range.count) + 2 * Block.size }
        guard size <= Int(UInt32.max) else { throw JournalError.tooLarge(bytes: size, limit: Int(UInt32.max)) }
        let prepared = try fileForCopy(ofAtLeast: size)
        let closing = writtenGroup + UInt64(parts.count)
        let replaced = SegmentHeader.Replacement(segment: mark.segment, offset: mark.offset, closingGroup: closing)
        take(try prepared.takeIntoUse(newHeader(for: prepared, replaces: replaced), in: storage))
        var rescued: UInt64 = 0
        for part in parts {
            if part.group != nil {
                try copyGroup(part)
            } else {
                rescued += try copyRecords(part)
            }
        }
        try segment.file.syncData()
        syncedGroup = writtenGroup
        mark = end
        return rescued
    }

    private mutating func copyGroup(_ part: Rescue.Part) throws {
        // its memory lives as long as it does
        let window = FileWindow(try part.segment.open(), limit: part.segment.limit)
        defer { withExtendedLifetime(window) {} }
        guard var header = part.group,
            let bytes = try window.bytes(at: part.range.lowerBound, count: part.range.count),
            let base = bytes.baseAddress
        else {
            let what = "a group vanished while it was read"
            throw JournalError.corrupt(file: part.segment.name, offset: UInt64(part.range.lowerBound), what: what)
        }
        var contents: UInt32 = 0
        var cursor = RecordCursor(UnsafeRawBufferPointer(bytes), records: header.records)
        while let (start, record) = try cursor.next() {
            let checksum = record.seal(base + start, seed: segment.seed, offset: UInt32(position + start))
            contents = withUnsafeBytes(of: checksum.littleEndian) { crc32c($0, continuing: contents) }
        }
        header.contents = contents
        try writeRescued(&header, bytes)
    }

    /// The sound records of a damaged part, behind one that says what was lost.
    private mutating func copyRecords(_ part: Rescue.Part) throws -> UInt64 {
        let sound = try part.segment.records(in: part.range) { _, found, bytes in found.isBodySound ? (found.header, Array(bytes)) : nil }
        let lost = RecordHeader(
            kind: StoreRepair.lostKind,
            flags: 0,
            headerLength: 16,
            bodyLength: 0,
            bodyChecksum: crc32c(UnsafeRawBufferPointer(start: nil, count: 0))
        )
        let records = [(lost, [UInt8](repeating: 0, count: lost.recordBytes))] + sound
        let length = Block.roundUp(records.reduce(GroupHeader.size) { $0 + $1.1.count })
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: Block.size)
        defer { bytes.deallocate() }
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        // a block at least
        let base = bytes.baseAddress!
        var contents: UInt32 = 0
        var start = GroupHeader.size
        for (index, (record, content)) in records.enumerated() {
            // without the padding behind it, which may be what was damaged
            let count = min(RecordHeader.size + Int(record.headerLength) + Int(record.bodyLength), content.count)
            content.withUnsafeBytes { (base + start).copyMemory(from: $0.baseAddress!, byteCount: count) }
            if index == 0 {
                (base + start).store(part.nextRecord, at: RecordHeader.size)
                (base + start).store(part.lost, at: RecordHeader.size + 8)
            }
            let checksum = record.seal(base + start, seed: segment.seed, offset: UInt32(position + start))
            contents = withUnsafeBytes(of: checksum.littleEndian) { crc32c($0, continuing: contents) }
            start += content.count
        }
        var header = GroupHeader(
            length: length,
            records: UInt32(records.count),
            number: 0,
            firstRecord: 0,
            generation: 0,
            mark: mark,
            previous: 0,
            contents: contents
        )
        try writeRescued(&header, bytes)
        return UInt64(sound.count)
    }

    private mutating func writeRescued(_ header: inout GroupHeader, _ bytes: UnsafeMutableRawBufferPointer) throws(JournalError) {
        guard let base = bytes.baseAddress else { return }
        header.number = chain.nextGroup
        header.firstRecord = chain.nextRecord
        header.previous = chain.previous
        header.generation = segment.generation
        header.mark = mark
        let checksum = header.write(to: base, seed: segment.seed, offset: UInt32(position))
        try writeToSegment(UnsafeRawBufferPointer(bytes))
        chain.advance(over: header, checksum: checksum)
        end = RecordLocation(segment: segment.number, offset: UInt32(position))
    }
}
