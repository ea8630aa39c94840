/// What a store's folder holds.
package struct StoreReport: Sendable {
    package struct Segment: Sendable, Hashable {
        package var number: UInt32
        package var file: String
        /// The file's length.
        package var bytes: Int
        /// The sum of its groups' lengths.
        package var usedBytes = 0
        package var groups: UInt64 = 0
        package var records: UInt64 = 0
        package var firstGroup: UInt64?
        package var lastGroup: UInt64?
        /// Recovery made it, as a copy of what was only readable.
        package var isCopy: Bool
        /// The newest checkpoint stands for all of it.
        package var isBeforeCut: Bool
    }

    package struct Checkpoint: Sendable, Hashable {
        package var file: String
        package var bytes: Int
        /// The end of the last group that it stands for.
        package var cut: RecordLocation?
        /// What is wrong with it; nil when it is whole.
        package var damage: JournalError?
    }

    /// Bytes of a file that continue nothing, and were never confirmed: the next opening cuts them, and keeps them beside.
    package struct Tail: Sendable, Hashable {
        package var file: String
        package var offset: UInt64
        package var bytes: Int
    }

    /// In order; those that were replaced or never used are not among them.
    package var segments: [Segment] = []
    /// The oldest first.
    package var checkpoints: [Checkpoint] = []
    /// Files that hold nothing: segments ahead of need, and room for a checkpoint.
    package var spareFiles: [String] = []
    package var spareBytes = 0
    /// Files of no use, which the next opening deletes: what an ended process was making, and segments that a copy replaced.
    package var leftovers: [String] = []
    /// Files in which recovery or a repair kept what it took out.
    package var keptFiles: [String] = []
    /// Where the newest whole checkpoint ends; nil when everything is replayed.
    package var cut: RecordLocation?
    /// Everything before it is known to have been synced.
    package var mark: RecordLocation?
    package var tails: [Tail] = []
    package var damages: [StoreDamage] = []

    package var records: UInt64 { segments.reduce(0) { $0 + $1.records } }
    /// What all these files take.
    package var diskBytes: Int { segments.reduce(0) { $0 + $1.bytes } + checkpoints.reduce(0) { $0 + $1.bytes } + spareBytes }

    init(_ survey: StoreSurvey, in storage: any Storage) throws(JournalError) {
        damages = survey.damages
        let cut = survey.start?.location.segment ?? 0
        for segment in survey.segments {
            segments.append(
                Segment(
                    number: segment.number,
                    file: segment.name,
                    bytes: Int(segment.header.capacity),
                    isCopy: segment.header.replaces != nil,
                    isBeforeCut: segment.number < cut
                )
            )
        }
        for name in survey.spares + survey.drafts + survey.unused.map(\.name) {
            spareFiles.append(name)
            spareBytes += try storage.open(name).size()
        }
        leftovers = survey.unfinished + survey.void.map(\.name) + survey.oldCheckpoints
        keptFiles = survey.names.filter(FileName.isKept).sorted()
        for found in survey.checkpoints {
            var checkpoint = Checkpoint(file: FileName.checkpoint(found.header.number), bytes: found.size, cut: found.header.cut)
            // the survey looked through the newest one only
            do throws(JournalError) {
                try CheckpointFile(storage, number: found.header.number).verify()
            } catch { checkpoint.damage = error }
            checkpoints.append(checkpoint)
        }
        for (name, error) in survey.damagedCheckpoints.reversed() {
            checkpoints.append(Checkpoint(file: name, bytes: (try? storage.open(name).size()) ?? 0, damage: error))
        }
        for checkpoint in checkpoints {
            guard let error = checkpoint.damage else { continue }
            damages.append(
                StoreDamage(error, file: checkpoint.file) ?? StoreDamage(file: checkpoint.file, offset: 0, bytes: 0, what: "\(error)")
            )
        }
    }

    mutating func count(_ group: GroupHeader, in number: UInt32) {
        guard let index = segments.firstIndex(where: { $0.number == number }) else { return }
        segments[index].groups += 1
        segments[index].records += UInt64(group.records)
        segments[index].usedBytes += Int(group.length)
        segments[index].firstGroup = segments[index].firstGroup ?? group.number
        segments[index].lastGroup = group.number
    }
}
