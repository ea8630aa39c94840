import GodwitCore
import GodwitJournal

extension EngineCore {
    func inspect() -> StoreContents {
        let inventory = journal.inventory()
        return StoreContents(
            level: Int(state.level.rawValue),
            segments: inventory.segments.map { number, file, bytes in
                let use = state.use[number]
                return StoreContents.Segment(file: file, bytes: bytes, liveRecords: use.things, liveBytes: use.bytes)
            },
            checkpoints: inventory.checkpoints.map { StoreContents.Checkpoint(file: $0.file, bytes: $0.bytes, isSound: true) },
            spareBytes: inventory.spareBytes,
            keptFiles: inventory.keptFiles,
            diskBytes: inventory.diskBytes,
            memoryBytes: options.memoryInUse()
        )
    }

    func times(of names: [QueueName]) -> JobTimes {
        var times = JobTimes()
        times.confirm = confirmTimes
        (times.wait, times.run) = state.meter.all
        times.diskBytes = journal.diskBytes
        times.maxDiskBytes = options.maxDiskBytes
        times.queues = names.compactMap { name in
            guard let number = state.queues.numbers[name], let (wait, run) = state.meter.times(of: number) else { return nil }
            return JobTimes.Queue(name: name, wait: wait, run: run)
        }
        return times
    }
}
