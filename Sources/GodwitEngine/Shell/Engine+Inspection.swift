package import GodwitCore
import GodwitJournal

extension Engine: Inspectable {
    package func contents() async throws(BrokerError) -> StoreContents {
        guard case .contents(let contents) = try await ask(.inspect) else { throw Self.mixedUp }
        return contents
    }
}

extension Engine: Timed {
    package func times(of queues: [QueueName]) async throws(BrokerError) -> JobTimes {
        guard case .times(let times) = try await ask(.times(queues)) else { throw Self.mixedUp }
        return times
    }
}

extension StoreContents {
    /// What an examination of a closed store found.
    package init(_ examination: StoreExamination) {
        let report = examination.report
        self.init(
            level: Int(examination.level.rawValue),
            segments: examination.segments.map { segment in
                Segment(
                    file: segment.file.file,
                    bytes: segment.file.bytes,
                    usedBytes: segment.file.usedBytes,
                    records: Int(clamping: segment.file.records),
                    isCopy: segment.file.isCopy,
                    liveRecords: segment.liveRecords,
                    liveBytes: segment.liveBytes
                )
            },
            checkpoints: report.checkpoints.map { Checkpoint(file: $0.file, bytes: $0.bytes, isSound: $0.damage == nil) },
            spareBytes: report.spareBytes,
            keptFiles: report.keptFiles,
            diskBytes: report.diskBytes
        )
    }
}
