import GodwitCore
import GodwitJournal

/// Jobs as lists showed them, for who looks at all of them again and again: one that is in memory as it was then is not read again.
struct ShownJobs {
    private struct Shown {
        let queue: QueueName
        let state: JobEntry.State
        let change: UInt64
        let message: RecordLocation
        let attempts: Attempts?
        let runAt: Int64?
        let end: JobView.End?
        let extra: Extra?
        let snapshot: JobSnapshot

        init(_ view: JobView, _ snapshot: JobSnapshot) {
            queue = view.queue
            state = view.state
            change = view.change
            message = view.message
            attempts = view.attempts
            runAt = view.runAt
            end = view.end
            extra = view.extra
            self.snapshot = snapshot
        }

        func isStill(_ view: JobView) -> Bool {
            change == view.change && state == view.state && message == view.message && attempts == view.attempts && runAt == view.runAt
                && end == view.end && extra == view.extra && queue == view.queue
        }
    }

    private var jobs: [UInt64: Shown] = [:]

    mutating func snapshots(_ views: [JobView], _ resolver: ViewResolver) -> [JobSnapshot] {
        let changed = views.filter { jobs[$0.sequence]?.isStill($0) != true }
        for (view, snapshot) in zip(changed, resolver.snapshots(changed)) { jobs[view.sequence] = Shown(view, snapshot) }
        return views.compactMap { jobs[$0.sequence]?.snapshot }
    }
}
