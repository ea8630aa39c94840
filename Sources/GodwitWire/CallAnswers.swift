package import GodwitCore

extension Wire {
    package static func encode(_ answers: [CallAnswer]) -> [UInt8] {
        var writer = FrameWriter(.answers, capacity: 1_024)
        for answer in answers { writer.answer(answer) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeAnswers(_ bytes: Bytes) throws(WireError) -> [CallAnswer] {
        try decodeAll(bytes, .answers) { reader, kind throws(WireError) in try reader.answer(kind) }
    }
}

extension FrameWriter {
    fileprivate mutating func answer(_ answer: CallAnswer) {
        switch answer {
        case .jobs(let lookups): list(Kind.jobs, lookups) { writer, lookup in writer.lookup(lookup) }
        case .records(let records): list(Kind.records, records) { writer, record in writer.record(record) }
        case .content(let content):
            let frame = begin(Kind.anyContent)
            optional(content)
            end(frame)
        case .browsed(let page): self.page(page)
        case .listed(let page):
            let frame = begin(Kind.jobPage)
            byte(page.next == nil ? 0 : 1)
            if let next = page.next { text(next) }
            text(page.end)
            count(page.jobs.count)
            for job in page.jobs { snapshot(job) }
            end(frame)
        case .queues(let queues): list(Kind.queues, queues) { writer, queue in writer.status(queue) }
        case .queue(let queue):
            let frame = begin(Kind.anyQueue)
            if let queue { status(queue) } else { empty(Kind.noQueue) }
            end(frame)
        case .purged(let jobs):
            let frame = begin(Kind.purged)
            count(jobs)
            end(frame)
        case .done: empty(Kind.done)
        case .refused(let error):
            let frame = begin(Kind.refused)
            self.error(error)
            end(frame)
        }
    }

    private mutating func list<Item>(_ kind: UInt8, _ items: [Item], _ write: (inout FrameWriter, Item) -> Void) {
        let frame = begin(kind)
        count(items.count)
        for item in items { write(&self, item) }
        end(frame)
    }

    private mutating func optional(_ content: Content?) {
        guard let content else { return empty(Kind.noContent) }
        let frame = begin(Kind.content)
        self.content(content)
        end(frame)
    }

    private mutating func page(_ page: BrowsePage) {
        let frame = begin(Kind.browsePage)
        byte(page.next == nil ? 0 : 1)
        if let next = page.next { text(next) }
        count(page.jobs.count)
        for browsed in page.jobs {
            let inner = begin(Kind.browsed)
            snapshot(browsed.job)
            optional(browsed.payload)
            headers(browsed.headers)
            end(inner)
        }
        end(frame)
    }
}

extension FrameReader {
    fileprivate mutating func answer(_ kind: UInt8) throws(WireError) -> CallAnswer {
        switch kind {
        case Kind.jobs: return .jobs(try list { reader throws(WireError) in try reader.lookup() })
        case Kind.records: return .records(try list { reader throws(WireError) in try reader.record() })
        case Kind.anyContent: return .content(try optionalContent())
        case Kind.browsePage: return .browsed(try browsePage())
        case Kind.jobPage:
            let hasNext = try flags(1) != 0
            let next = hasNext ? try text() : nil
            let end = try text()
            return .listed(JobPage(jobs: try list { reader throws(WireError) in try reader.snapshot() }, next: next, end: end))
        case Kind.queues: return .queues(try list { reader throws(WireError) in try reader.status() })
        case Kind.anyQueue: return .queue(try optionalStatus())
        case Kind.purged: return .purged(try integer())
        case Kind.done: return .done
        case Kind.refused: return .refused(try error())
        default: throw unknown(kind)
        }
    }

    private mutating func list<Item>(_ read: (inout FrameReader) throws(WireError) -> Item) throws(WireError) -> [Item] {
        let count = try count(least: WireFormat.frameHeaderBytes)
        var items: [Item] = []
        items.reserveCapacity(count)
        for _ in 0..<count { items.append(try read(&self)) }
        return items
    }

    private mutating func optionalContent() throws(WireError) -> Content? {
        guard let (kind, around) = try open() else { throw damaged("a content is missing") }
        var content: Content?
        switch kind {
        case Kind.content: content = try self.content()
        case Kind.noContent: content = nil
        default: throw unknown(kind)
        }
        close(around)
        return content
    }

    private mutating func optionalStatus() throws(WireError) -> QueueStatus? {
        guard let (kind, around) = try open() else { throw damaged("a queue is missing") }
        var status: QueueStatus?
        switch kind {
        case Kind.queue: status = try openedStatus()
        case Kind.noQueue: status = nil
        default: throw unknown(kind)
        }
        close(around)
        return status
    }

    private mutating func browsePage() throws(WireError) -> BrowsePage {
        let hasNext = try flags(1) != 0
        let next = hasNext ? try text() : nil
        let jobs = try list { reader throws(WireError) -> BrowsedJob in
            let frame = try reader.open(Kind.browsed)
            let job = try reader.snapshot(), payload = try reader.optionalContent()
            let browsed = BrowsedJob(job: job, payload: payload, headers: try reader.headers())
            reader.close(frame)
            return browsed
        }
        return BrowsePage(jobs: jobs, next: next)
    }
}
