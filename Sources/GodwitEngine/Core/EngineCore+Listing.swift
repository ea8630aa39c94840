import GodwitCore
import HeapModule

/// Jobs a page at a time.
extension EngineCore {
    mutating func list(_ ticket: Ticket, _ query: JobQuery, within names: [QueueName]?) {
        var at = query.isOldestFirst ? 0 : state.nextSequence
        if let cursor = query.cursor {
            guard let (sequence, _, _) = Base32.words(cursor, count: 1) else { return answerNow(ticket, .refused(Self.badCursor)) }
            at = min(state.nextSequence, sequence)
        }
        var end = state.nextSequence
        if let text = query.end {
            guard let (sequence, _, _) = Base32.words(text, count: 1) else { return answerNow(ticket, .refused(Self.badCursor)) }
            end = min(end, sequence)
        }
        if !query.isOldestFirst { at = min(at, end) }
        let newest = Base32.text(state.nextSequence)
        // What the page leaves out may rest on the newest change, too.
        let until = state.change
        let queues = numbers(query.queue, within: names)
        if queues?.isEmpty == true { return hold(ticket, .page([], next: nil, end: newest), until: until) }
        if query.state == .running {
            let bounds = query.isOldestFirst ? (at + 1)..<max(at + 1, end) : 0..<at
            let page = running(query, in: queues, bounds)
            return hold(ticket, .page(page.views, next: page.next, end: newest), until: until)
        }
        var views: [JobView] = [], looked = 0
        var walk = JobWalk(state, from: query.isOldestFirst ? at + 1 : at, isUp: query.isOldestFirst)
        func isOver() -> Bool { walk.next.map { query.isOldestFirst && $0 >= end } ?? true }
        while views.count < query.limit, looked < Limits.pageScan {
            guard !isOver(), let sequence = walk.take(state) else {
                return hold(ticket, .page(views, next: nil, end: newest), until: until)
            }
            at = sequence
            looked += 1
            guard let job = state.job(sequence) else { continue }
            if let queues, !queues.contains(job.queue) { continue }
            if let state = query.state, job.state.jobState != state { continue }
            views.append(view(sequence, job))
        }
        hold(ticket, .page(views, next: isOver() ? nil : Base32.text(at), end: newest), until: until)
    }

    /// The numbers of the queues that are looked at; nil for all.
    private func numbers(_ one: QueueName?, within names: [QueueName]?) -> QueueNumbers? {
        if let one {
            guard names?.contains(one) ?? true else { return QueueNumbers([]) }
            return QueueNumbers(state.queues.numbers[one].map { [$0] } ?? [])
        }
        return names.map { names in QueueNumbers(names.compactMap { state.queues.numbers[$0] }) }
    }

    /// A page of running jobs. They are those that are leased, and are found there, however many others wait or have ended. Of very many leases
    /// no more than a page's worth is kept in mind.
    /// - Parameter bounds: what their numbers are within.
    private mutating func running(_ query: JobQuery, in queues: QueueNumbers?, _ bounds: Range<UInt64>) -> (views: [JobView], next: String?)
    {
        // One more than are shown tells whether there is a next page.
        let most = query.limit + 1
        var found = Heap<UInt64>(minimumCapacity: min(most, state.leases.count))
        for place in state.leases.leases.indices {
            let lease = state.leases[UInt32(place)]
            let sequence = lease.sequence
            guard lease.fencing != 0, bounds.contains(sequence) else { continue }
            if found.count == most {
                guard let last = query.isOldestFirst ? found.max : found.min, query.isOldestFirst ? sequence < last : sequence > last else {
                    continue
                }
            }
            guard let job = state.job(sequence), job.state == .running, queues?.contains(job.queue) ?? true else { continue }
            found.insert(sequence)
            if found.count > most { _ = query.isOldestFirst ? found.popMax() : found.popMin() }
        }
        let sorted = found.unordered.sorted { query.isOldestFirst ? $0 < $1 : $0 > $1 }
        let page = sorted.prefix(query.limit)
        var views: [JobView] = []
        for sequence in page {
            if let job = state.job(sequence) { views.append(view(sequence, job)) }
        }
        return (views, sorted.count > page.count ? page.last.map { Base32.text($0) } : nil)
    }
}

/// A few queues, to be asked about many jobs.
private struct QueueNumbers {
    /// By their numbers, up to the highest.
    private var isIn: [Bool]

    init(_ numbers: [UInt32]) {
        isIn = numbers.max().map { Array(repeating: false, count: Int($0) + 1) } ?? []
        for number in numbers { isIn[Int(number)] = true }
    }

    var isEmpty: Bool { isIn.isEmpty }

    @inline(__always)
    func contains(_ number: UInt32) -> Bool { number < UInt32(isIn.count) && isIn[Int(number)] }
}
