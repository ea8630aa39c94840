import GodwitCore
import GodwitJournal

/// Many plain messages at a time: what one of them costs here is a table entry, a place in line, and a record.
extension EngineCore {
    // MARK: Publishing

    mutating func publish(_ ticket: Ticket, _ batch: MessageBatch) throws(JournalError) {
        guard let numbers = try numbers(of: batch.queues, ticket) else { return }
        var loads = numbers.map { number in
            let queue = state.queues.at(number)
            return BatchLoad(
                queue: number,
                maxAttempts: UInt16(clamping: queue.pointee.settings.maxAttempts),
                expires: queue.pointee.settings.ttl.map { now.engine.addingClamped($0.inMilliseconds) }
            )
        }
        if batch.isTransient {
            guard state.level >= .first else {
                let error = JournalError.olderFormat(level: state.level.rawValue, needed: FormatLevel.first.rawValue)
                return hold(ticket, .refused(BrokerError(error)), until: state.change)
            }
            try useTransients()
        }
        let overhead = batch.overhead
        var start = 0
        for item in batch.items {
            loads[Int(item.queue)].messages += 1
            loads[Int(item.queue)].bytes += item.end - start + overhead
            start = item.end
        }
        var victims: [Victim] = []
        for load in loads where load.messages > 0 {
            guard let refusal = try admit(load, priority: batch.priority, &victims) else { continue }
            state.putBack(victims)
            return hold(ticket, .refused(refusal), until: state.change)
        }
        let headers = headers(of: batch, for: &loads)
        var bytes = 0
        start = 0
        for item in batch.items {
            bytes += Journal.recordBytes(header: loads[Int(item.queue)].header.count, body: item.end - start)
            start = item.end
        }
        do throws(JournalError) {
            if victims.isEmpty {
                try journal.reserve(bytes, for: .publish)
            } else if let refusal = try drop(victims, reserving: bytes) {
                state.putBack(victims)
                return hold(ticket, .refused(refusal), until: state.change)
            }
        } catch {
            state.putBack(victims)
            guard error.changedNothing else { throw error }
            for load in loads { state.queues.at(load.queue).pointee.totals.refused += 1 }
            return hold(ticket, .refused(BrokerError(error)), until: state.change)
        }
        let first = state.nextSequence
        append(batch, loads, headers)
        noteRecorded()
        var until = state.change
        if batch.isTransient, mayConfirm(below: state.nextSequence) {
            until = loads.map { state.queues.at($0.queue).pointee.settingsChange }.max() ?? 0
        }
        hold(ticket, .published(PublishedRange(first: first, count: batch.count)), until: until)
        if !victims.isEmpty { try payOwed() }
    }

    /// The numbers of a batch's queues, which are made where they may be; nil when the call is answered.
    private mutating func numbers(of batch: BatchQueues, _ ticket: Ticket) throws(JournalError) -> [UInt32]? {
        if let last = lastBatch, last.version == state.queues.version, last.queues == batch { return last.numbers }
        var numbers: [UInt32] = []
        numbers.reserveCapacity(batch.names.count)
        for name in batch.names {
            if queueNumber(name) == nil {
                guard options.createsQueues else {
                    answerNow(ticket, .refused(.queueNotFound(name.description)))
                    return nil
                }
                if let error = tooManyQueues {
                    hold(ticket, .refused(error), until: state.change)
                    return nil
                }
                try createQueue(name)
            }
            guard let number = queueNumber(name) else {
                answerNow(ticket, .refused(Engine.mixedUp))
                return nil
            }
            numbers.append(number)
        }
        lastBatch = (batch, numbers, state.queues.version)
        return numbers
    }

    /// The headers of a batch's records, but for what differs: one for all queues that give their messages the same time.
    private mutating func headers(of batch: MessageBatch, for loads: inout [BatchLoad]) -> [UInt8] {
        let message = NewMessage(queue: batch.queues.names[0], payload: Content(Bytes(), type: batch.contentType))
        var job = Self.publication(batch, message: MessageBox(message))
        var headers: [UInt8] = []
        for index in loads.indices {
            if index > 0, loads[index].expires == loads[index - 1].expires {
                loads[index].header = loads[index - 1].header
                continue
            }
            job.expires = loads[index].expires
            writer.removeAll()
            Change.published(job).encode(now, into: &writer)
            loads[index].header = headers.count..<headers.count + writer.bytes.count
            headers += writer.bytes
        }
        return headers
    }

    private static func publication(_ batch: MessageBatch, message: MessageBox?) -> Publication {
        Publication(
            sequence: 0,
            queue: 0,
            maxAttempts: 0,
            priority: batch.priority,
            size: 0,
            isTransient: batch.isTransient,
            message: message
        )
    }

    /// Appends and applies a record for each message. Their room is reserved.
    private mutating func append(_ batch: MessageBatch, _ loads: [BatchLoad], _ headers: [UInt8]) {
        // Each message's numbers are written into the header that it shares with others.
        var headers = headers
        var job = Self.publication(batch, message: nil)
        let overhead = batch.overhead
        headers.withUnsafeMutableBytes { headers in
            batch.bytes.withUnsafeBytes { bytes in
                var start = 0
                for item in batch.items {
                    let load = loads[Int(item.queue)]
                    let header = UnsafeMutableRawBufferPointer(rebasing: headers[load.header])
                    job.expires = load.expires
                    job.sequence = state.nextSequence
                    job.queue = load.queue
                    job.maxAttempts = load.maxAttempts
                    job.size = item.end - start + overhead
                    header.write(job.sequence, at: Change.PublishedOffset.sequence)
                    header.write(job.queue, at: Change.PublishedOffset.queue)
                    header.write(job.maxAttempts, at: Change.PublishedOffset.maxAttempts)
                    header.write(UInt32(job.size), at: Change.PublishedOffset.size)
                    let location = journal.append(
                        kind: RecordKind.published.rawValue,
                        critical: true,
                        header: UnsafeRawBufferPointer(header).bytes,
                        body: UnsafeRawBufferPointer(rebasing: bytes[start..<item.end]).bytes,
                        bodyChecksum: item.checksum
                    )
                    do throws(RecordError) { try state.publish(job, now, at: location) } catch {
                        // As for single records: what is in the journal's memory must never reach the disk.
                        preconditionFailure("the engine decided what does not fit its state: \(error)")
                    }
                    start = item.end
                }
            }
        }
    }

    // MARK: Completing

    mutating func complete(_ ticket: Ticket, _ batch: LeasedBatch) throws(JournalError) {
        var together: [UInt64] = [], alone: [LeaseName] = [], flags: JobEntry.Flags = .isTransient
        together.reserveCapacity(batch.count)
        for (offset, item) in batch.items.enumerated() {
            let fencing = batch.firstFencing + UInt64(offset)
            guard let (entry, _) = state.lease(item.sequence, fencing) else { continue }
            flags.formIntersection(entry.pointee.flags)
            if state.canBeCompletedTogether(item.sequence, entry.pointee) {
                together.append(item.sequence)
            } else {
                alone.append(LeaseName(sequence: item.sequence, fencing: fencing))
            }
        }
        var count = together.count
        // A record's header has at most 64 KiB, and a number at most ten bytes.
        var start = 0
        while start < together.count {
            let end = min(together.count, start + Self.mostTogether)
            try record(.completedTogether(start == 0 && end == together.count ? together : Array(together[start..<end])), for: .settle)
            start = end
        }
        for lease in alone {
            if case .one = try commit(PreparedTransaction.one(.complete(lease, result: nil)), nil) { count += 1 }
        }
        try payOwed()
        let isTransient = flags.contains(.isTransient) && count == batch.count
        hold(ticket, .count(count), until: isTransient && !isFarAhead ? 0 : state.change)
    }

    private static let mostTogether = MessageBatch.mostLeased
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}
