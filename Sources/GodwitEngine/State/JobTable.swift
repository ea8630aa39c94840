import DequeModule

/// Jobs by sequence number: fixed pages, found by division. Pages are freed when their last job goes.
struct JobTable: ~Copyable {
    fileprivate struct Page {
        var entries: UnsafeMutablePointer<JobEntry>?
        var live = 0
    }

    fileprivate static let pageBits: UInt64 = 9
    fileprivate static let pageSize = 1 << Int(pageBits)
    /// Numbers are given out one after the other: far from all others there is no job.
    private static let longestGap: UInt64 = 1 << 22

    private var pages = Deque<Page>()
    /// The number of the first page in `pages`.
    private var firstPage: UInt64 = 0
    private(set) var count = 0

    init() {}

    deinit {
        for page in pages { page.entries?.deallocate() }
    }

    /// The job's entry, valid until a job is removed; nil when there is none.
    func find(_ sequence: UInt64) -> UnsafeMutablePointer<JobEntry>? {
        let page = sequence >> Self.pageBits
        guard page >= firstPage, page - firstPage < UInt64(pages.count) else { return nil }
        guard let entries = pages[Int(page - firstPage)].entries else { return nil }
        let entry = entries + Int(sequence) & (Self.pageSize - 1)
        return entry.pointee.state == .none ? nil : entry
    }

    /// Adds a job whose number must be free.
    /// - Returns: its entry, or nil when the number is taken, below those of pages that are gone, or far above all others.
    mutating func insert(_ sequence: UInt64, _ entry: JobEntry) -> UnsafeMutablePointer<JobEntry>? {
        let page = sequence >> Self.pageBits
        if pages.isEmpty { firstPage = page }
        guard page >= firstPage, page - firstPage < UInt64(pages.count) + Self.longestGap else { return nil }
        if page - firstPage >= UInt64(pages.count) {
            // The page that was the newest so far may have been kept though it is empty.
            free(pages.count - 1)
            while page - firstPage >= UInt64(pages.count) { pages.append(Page()) }
            trim()
        }
        let index = Int(page - firstPage)
        if pages[index].entries == nil {
            let entries = UnsafeMutablePointer<JobEntry>.allocate(capacity: Self.pageSize)
            // A place is free when its state is 0, whatever else its bytes say.
            UnsafeMutableRawPointer(entries).initializeMemory(
                as: UInt8.self,
                repeating: 0,
                count: Self.pageSize * MemoryLayout<JobEntry>.stride
            )
            pages[index].entries = entries
        }
        guard let entries = pages[index].entries else { return nil }
        let place = entries + Int(sequence) & (Self.pageSize - 1)
        guard place.pointee.state == .none else { return nil }
        place.pointee = entry
        pages[index].live += 1
        count += 1
        return place
    }

    mutating func remove(_ sequence: UInt64) {
        guard let entry = find(sequence) else { return }
        entry.pointee.state = .none
        count -= 1
        let index = Int(sequence >> Self.pageBits - firstPage)
        pages[index].live -= 1
        guard pages[index].live == 0 else { return }
        // The newest page stays, or one job after the other would allocate and free it.
        guard index < pages.count - 1 else { return }
        free(index)
        trim()
    }

    private mutating func free(_ index: Int) {
        guard index >= 0, pages[index].live == 0 else { return }
        pages[index].entries?.deallocate()
        pages[index].entries = nil
    }

    /// How many pages take memory.
    var pagesInUse: Int { pages.count { $0.entries != nil } }

    private mutating func trim() {
        while pages.count > 1, let first = pages.first, first.live == 0 {
            first.entries?.deallocate()
            pages.removeFirst()
            firstPage += 1
        }
    }

    /// The highest number below `sequence` at which a job may be; nil when there is none. Pages without jobs are passed over.
    func last(before sequence: UInt64) -> UInt64? {
        guard sequence > 0, !pages.isEmpty else { return nil }
        var at = min(sequence - 1, (firstPage + UInt64(pages.count)) << Self.pageBits - 1)
        while at >> Self.pageBits >= firstPage {
            let page = at >> Self.pageBits
            if pages[Int(page - firstPage)].live > 0 {
                if find(at) != nil { return at }
                if at == 0 { return nil }
                at -= 1
            } else {
                let start = page << Self.pageBits
                if start == 0 { return nil }
                at = start - 1
            }
        }
        return nil
    }

    /// The lowest number from `sequence` on at which a job is.
    func first(from sequence: UInt64) -> UInt64? {
        var at = max(sequence, firstPage << Self.pageBits)
        let end = (firstPage + UInt64(pages.count)) << Self.pageBits
        while at < end {
            let page = at >> Self.pageBits
            if pages[Int(page - firstPage)].live == 0 {
                at = (page + 1) << Self.pageBits
            } else if find(at) != nil {
                return at
            } else {
                at += 1
            }
        }
        return nil
    }

    /// For those who look jobs up while something else is changed.
    var view: JobTableView { JobTableView(pages: pages, firstPage: firstPage) }
}

/// The table of jobs to look into, until a job is added or removed. A job that a purge met and nobody looked at yet still waits here.
struct JobTableView {
    fileprivate let pages: Deque<JobTable.Page>
    fileprivate let firstPage: UInt64

    func find(_ sequence: UInt64) -> JobEntry? {
        let page = sequence >> JobTable.pageBits
        guard page >= firstPage, page - firstPage < UInt64(pages.count) else { return nil }
        guard let entries = pages[Int(page - firstPage)].entries else { return nil }
        let entry = entries[Int(sequence) & (JobTable.pageSize - 1)]
        return entry.state == .none ? nil : entry
    }

    func isReady(_ job: ReadyJob) -> Bool {
        guard let entry = find(job.sequence) else { return false }
        return entry.state == .queued && entry.position == job.position
    }

    func isFinished(_ job: FinishedJob) -> Bool {
        guard let entry = find(job.sequence) else { return false }
        return entry.state.isFinal && entry.change == job.change
    }

    func waits(_ timer: Timer, onWall: Bool) -> Bool {
        guard let entry = find(timer.subject) else { return false }
        return (entry.state == .scheduled || entry.state == .retrying) && entry.time == timer.time
            && entry.flags.contains(.dueIsWall) == onWall
    }

    func expires(_ timer: Timer) -> Bool { find(timer.subject)?.flags.contains(.expires) ?? false }
}
