import GodwitCore
import GodwitJournal

extension EngineState {
    /// Ends all transient jobs, with nothing left of them: the process that had them is gone.
    mutating func dropTransients() throws(RecordError) {
        hasTransients = false
        var at: UInt64 = 0
        while let sequence = jobs.first(from: at) {
            at = sequence + 1
            guard jobs.find(sequence)?.pointee.flags.contains(.isTransient) ?? false, unfinishedJob(sequence) != nil else { continue }
            let (entry, queue) = try unfinished(sequence)
            finish(sequence, entry, queue, .cancelled, Final(location: entry.pointee.message, size: .share), isKept: false)
        }
        at = 0
        while let sequence = finished.first(from: at) {
            at = sequence + 1
            guard finished.find(sequence)?.pointee.isTransient ?? false, case .finished(let entry)? = job(sequence) else { continue }
            remove(sequence, entry.pointee)
        }
    }
}
