import GodwitCore
import GodwitEngine

/// Many plain messages at a time.
extension Reference {
    mutating func publish(_ ticket: UInt64, _ batch: MessageBatch) {
        for name in batch.queues.names { openQueue(name) }
        let messages = batches.removeValue(forKey: ticket) ?? []
        var dropped: [ModelJob] = []
        for name in batch.queues.names {
            let mine = messages.filter { $0.queue == name }
            guard !mine.isEmpty, let settings = live.queues[name]?.settings else { continue }
            let bytes = mine.reduce(0) { $0 + $1.size }
            guard mine.count <= settings.maxJobs, bytes <= settings.maxBytes else { return expect(ticket, .refused(.tooLarge)) }
            guard let oldest = room(in: name, settings, for: mine.count, bytes, priority: Int(batch.priority)) else {
                return expect(ticket, .refused(.busy))
            }
            dropped += oldest
        }
        var events = dropped.flatMap { die($0, FailureCode.dropped, .dropped) }, numbers: [Int] = []
        for message in messages {
            guard let number = Self.number(in: message.payload) else { preconditionFailure("clients number their messages") }
            numbers.append(number)
            let expires = (live.queues[message.queue]?.settings.ttl).map { engine + $0.inMilliseconds }
            events.append(.published(message, number: number, due: nil, expires: expires))
        }
        record(events)
        let settings = batch.queues.names.compactMap { live.queues[$0]?.settingsUnit }.max()
        expect(ticket, .published(numbers), unit: batch.isTransient ? settings : nil)
        if !dropped.isEmpty { payOwed() }
    }

    /// The number that a payload begins with.
    private static func number(in payload: Content) -> Int? {
        payload.bytes.withUnsafeBytes { Int(String(decoding: $0.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)) }
    }

    /// Who is dropped for a batch, one by one the oldest; nil when that is not enough: then nobody is.
    private mutating func room(in name: QueueName, _ settings: QueueSettings, for count: Int, _ bytes: Int, priority: Int) -> [ModelJob]? {
        let unfinished = live.unfinished(name)
        var dropped: [ModelJob] = [], jobs = unfinished.jobs + count, total = unfinished.bytes + bytes
        while jobs > settings.maxJobs || total > settings.maxBytes
            || live.isSlow(name, adding: jobs - unfinished.jobs - 1) == true
        {
            guard settings.overflow == .dropOldest else { return nil }
            openDeadLetterQueue(of: name)
            guard let oldest = oldest(of: name, live, dropped), oldest.message.priority <= priority else { return nil }
            dropped.append(oldest)
            jobs -= 1
            total -= oldest.size
        }
        return dropped
    }

    mutating func leaseBatch(_ ticket: UInt64, _ request: LeaseRequest) {
        serveWaiting()
        for name in request.holder.queues { openQueue(name) }
        guard let deliveries = deliver(request) else { return expect(ticket, .deliveries([]), unit: 0) }
        expect(ticket, .batch(deliveries.jobs), unit: deliveries.restsOn)
    }

    /// Those of which nothing is kept are completed in one record, the others one by one.
    mutating func complete(_ ticket: UInt64) {
        var together: [ModelEvent] = [], alone: [(number: Int, serial: Int)] = [], areTransient = true
        for (number, serial) in completions.removeValue(forKey: ticket) ?? [] {
            guard let job = live.job(number), job.lease?.serial == serial else { continue }
            areTransient = areTransient && job.message.isTransient
            let isPlain =
                job.order == job.birth && job.progress == nil && job.failures.isEmpty && job.message.timeout == nil
                && job.headers == job.message.headers && job.message.onFinal.isEmpty
            if isPlain, live.queues[job.queue]?.keepsFinished == false {
                together.append(.completed(number, nil))
            } else {
                alone.append((number, serial))
            }
        }
        if !together.isEmpty { record(together) }
        var count = together.count
        // What follows the end of one may be the cancelling of another.
        for (number, serial) in alone where live.job(number)?.lease?.serial == serial {
            record([.completed(number, nil)])
            count += 1
            payOwed()
        }
        payOwed()
        expect(ticket, .count(count), unit: areTransient ? 0 : nil)
    }
}
