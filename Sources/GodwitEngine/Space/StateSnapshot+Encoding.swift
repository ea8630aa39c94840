import GodwitCore
import GodwitJournal

extension StateSnapshot {
    /// Writes all of it, part by part.
    /// - Parameter append: is given the chunks.
    func encode(_ append: @escaping (CheckpointSection, UnsafeRawBufferPointer) throws -> Void) throws {
        var chunks = CheckpointChunks(append: append)
        let queues = queues.all()
        try chunks.add(.store) { encode(queues, into: &$0) }
        for queue in queues { try chunks.add(.queues) { Self.encode(queue, into: &$0) } }
        try encodeKeys(queues, &chunks)
        try encodeRetention(queues, &chunks)
        try endings.forEach { name, at, jobs in
            try chunks.add(.endings) { writer in
                writer.put(name)
                writer.put(at)
                writer.putVariable(UInt64(jobs))
            }
        }
        try encodeLeases(&chunks)
        try extras.forEach { sequence, extra in
            try chunks.add(.extras) { writer in
                writer.put(sequence)
                extra.encode(into: &writer)
            }
        }
        try records.forEach { key, record in
            try chunks.add(.records) { writer in
                Change.encode(key, into: &writer)
                writer.put(record.location)
                writer.put(record.size.index)
                writer.put(record.change)
                writer.put(optional: record.expires)
            }
        }
        for page in jobs.pages { try chunks.add(.jobs) { page.encode(into: &$0) } }
        for page in finished.pages { try chunks.add(.finished) { page.encode(into: &$0) } }
        try groups.forEachItem { item in try chunks.add(.groups, item) }
        try claims.forEach { sequence, key in
            try chunks.add(.claims) { writer in
                writer.put(key.pointee.high)
                writer.put(key.pointee.low)
                writer.put(sequence)
            }
        }
        try sessions.forEachItem { item in try chunks.add(.sessions, item) }
        try counters.forEach { key, counter in
            try chunks.add(.counters) { writer in
                Change.encode(key, into: &writer)
                counter.encode(into: &writer)
            }
        }
        try owed.forEachItem { item in try chunks.add(.owed, item) }
        try chunks.flush()
    }

    private func encode(_ queues: [QueueSnapshot?], into writer: inout RecordWriter) {
        writer.put(CheckpointSection.layout + level.rawValue)
        identity.encode(into: &writer)
        writer.put(stamp)
        writer.put(change)
        writer.put(removal)
        writer.put(nextSequence)
        writer.put(nextFencing)
        if level >= .first { writer.put(reserved) }
        writer.put(UInt8(hasLosses ? 1 : 0))
        writer.putVariable(UInt64(passedOver))
        writer.put(UInt8(opening == nil ? 0 : 1))
        if let (opening, stamp) = opening {
            writer.put(stamp)
            Change.encode(opening, into: &writer)
        }
        writer.putVariable(UInt64(cancelRequests.count))
        for (fencing, rest) in cancelRequests.sorted(by: { $0.key < $1.key }) {
            writer.put(fencing)
            writer.put(rest)
        }
        writer.putVariable(UInt64(cleanings.count))
        for cleaning in cleanings {
            writer.put(cleaning.queue)
            writer.put(cleaning.next)
            writer.put(cleaning.end)
        }
        var counts = [
            queues.count, queues.reduce(0) { $0 + ($1?.keys.count ?? 0) }, endings.count, leases.count, extras.count, records.count,
            jobs.count, finished.count, groups.memberCount, claims.count, sessions.count,
        ]
        if level >= .first { counts += [counters.count, owed.count] }
        for count in counts { writer.putVariable(UInt64(count)) }
    }

    private static func encode(_ queue: QueueSnapshot?, into writer: inout RecordWriter) {
        writer.put(UInt8(queue == nil ? 0 : 1))
        guard let queue else { return }
        writer.putText(queue.name.description)
        writer.putBytes(Change.encoded(queue.settings))
        writer.put(queue.settingsChange)
        writer.put(queue.change)
        writer.put(UInt8((queue.isPaused ? 1 : 0) | (queue.isDeleted ? 2 : 0)))
        for state in JobState.allCases { writer.putVariable(UInt64(queue.counts[state])) }
        writer.putVariable(UInt64(queue.bytes))
        writer.putVariable(UInt64(queue.waitingBytes))
        writer.put(queue.purge)
        writer.putVariable(UInt64(queue.purges.count))
        for purge in queue.purges {
            writer.put(purge.stamp)
            writer.put(purge.change)
            writer.put(UInt8(purge.keeps ? 1 : 0))
        }
        writer.putVariable(UInt64(queue.cleanings))
    }

    private func encodeKeys(_ queues: [QueueSnapshot?], _ chunks: inout CheckpointChunks) throws {
        for (number, queue) in queues.enumerated() {
            guard let queue else { continue }
            try queue.keys.forEach { key in
                if level >= .first {
                    try chunks.add(.keyMarks) { writer in
                        writer.put(UInt32(number))
                        writer.put(key.mark.hash)
                        writer.put(key.mark.low)
                        writer.put(key.fingerprint.bits)
                        writer.put(key.sequence)
                        writer.put(key.at)
                    }
                } else if let text = queue.keyTexts[key.mark] {
                    try chunks.add(.keys) { writer in
                        writer.put(UInt32(number))
                        writer.putBytes(text.key)
                        writer.put(key.sequence)
                        writer.put(optional: text.fingerprint)
                        writer.put(UInt64(0))
                        writer.put(key.at)
                    }
                }
                return true
            }
        }
    }

    private func encodeRetention(_ queues: [QueueSnapshot?], _ chunks: inout CheckpointChunks) throws {
        for (number, queue) in queues.enumerated() {
            guard let queue else { continue }
            for (kind, finished) in [queue.succeeded, queue.failed].enumerated() {
                try finished.forEach { job, began in
                    try chunks.add(.retention) { writer in
                        writer.put(UInt32(number))
                        writer.put(UInt8(kind | (began == nil ? 2 : 0)))
                        writer.put(job.sequence)
                        writer.put(job.ended)
                        if let began { writer.putVariable(UInt64(job.ended - began)) }
                    }
                }
            }
        }
    }

    private func encodeLeases(_ chunks: inout CheckpointChunks) throws {
        for place in leases.holders.indices {
            guard let holder = leases.holders[place] else { continue }
            try chunks.add(.holders) { writer in
                writer.put(UInt32(place))
                writer.putText(holder.id.description)
                writer.put(holder.first)
                writer.put(UInt32(holder.count))
            }
        }
        for place in leases.leases.indices {
            let lease = leases.leases[place]
            guard lease.fencing != 0 else { continue }
            try chunks.add(.leases) { writer in
                writer.put(UInt32(place))
                writer.put(lease.sequence)
                writer.put(lease.fencing)
                writer.put(lease.started)
                writer.put(lease.grantedTerm)
                writer.put(lease.holder)
                writer.put(lease.previous)
                writer.put(lease.next)
                writer.put(UInt8(lease.endsWithProcess ? 1 : 0))
            }
        }
    }
}

extension RecordWriter {
    fileprivate mutating func put(_ stamp: Stamp) {
        put(stamp.engine)
        put(stamp.wall)
    }

    fileprivate mutating func put(_ location: RecordLocation) {
        put(location.segment)
        put(location.offset)
    }
}

extension Extra {
    /// Each part that it has as a field.
    fileprivate func encode(into writer: inout RecordWriter) {
        var fields = RecordWriter()
        if let expires { fields.field(.expires, expires) }
        if let timeout { fields.field(.timeout, timeout) }
        if let position { fields.field(.position, position) }
        if let started { fields.field(.started, started) }
        if let progress {
            fields.field(.fraction, progress.fraction.bitPattern)
            if let note = progress.note { fields.field(.note, note) }
        }
        for failure in failures { fields.field(.failure, bytes: failure.encoded) }
        if let amendment { fields.field(.amendment, bytes: amendment.encoded) }
        if isDeadLettered { fields.field(.isDeadLettered, UInt8(1)) }
        if let attempts { fields.field(.attempts, bytes: attempts.encoded) }
        writer.putBytes(fields.bytes)
    }
}

extension StoredCounter {
    fileprivate func encode(into writer: inout RecordWriter) {
        writer.put(created)
        writer.put(change)
        writer.putVariable(UInt64(count))
        writer.putVariable(UInt64(target))
        writer.put(expires)
        writer.putBytes(then?.encoded ?? [])
        writer.putVariable(UInt64(steps.count))
        steps.forEach { mark, _ in
            writer.put(mark.high)
            writer.put(mark.low)
        }
    }
}

extension KeptRecord {
    var encoded: [UInt8] {
        var writer = RecordWriter()
        writer.put(location)
        writer.put(size.index)
        return writer.bytes
    }
}

extension Attempts {
    var encoded: [UInt8] {
        var writer = RecordWriter()
        writer.put(attempt)
        writer.put(maxAttempts)
        writer.put(deliveries)
        writer.put(optional: started)
        return writer.bytes
    }
}

extension TableSnapshot.Page {
    /// Its first number, how many entries it has, their slots, and the entries as they lie in memory.
    fileprivate func encode(into writer: inout RecordWriter) {
        var slots = RecordWriter(), entries = RecordWriter(), count = 0
        forEach { sequence, entry in
            slots.put(UInt16(sequence - first))
            entries.put(raw: UnsafeRawBufferPointer(start: entry, count: MemoryLayout<Entry>.stride))
            count += 1
        }
        guard count > 0 else { return }
        writer.put(first)
        writer.put(UInt16(count))
        writer.put(raw: slots.bytes)
        writer.put(raw: entries.bytes)
    }
}

extension RecordWriter {
    fileprivate mutating func put(raw bytes: [UInt8]) { bytes.withUnsafeBytes { put(raw: $0) } }
}
