package import GodwitCore

extension Schedule {
    /// The due times that come next, the first one first.
    /// - Parameters:
    ///   - time: They are after it.
    ///   - count: How many at most; there are fewer where none follows for decades.
    /// - Throws: ``WorkerError`` when the schedule cannot be read, or its time zone is unknown here.
    package func upcoming(after time: Timestamp, count: Int) throws(WorkerError) -> [Timestamp] {
        let due = try DueTimes(self, name: description)
        var times: [Timestamp] = []
        var last = time
        while times.count < count, let next = due.next(after: last) {
            times.append(next)
            last = next
        }
        return times
    }

    private var description: String {
        switch kind {
        case .every(let interval): interval.text
        case .cron(let text, _): text
        }
    }
}
