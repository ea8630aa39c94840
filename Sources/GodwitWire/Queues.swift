import GodwitCore

// Queues: their settings, and how they stand.

extension FrameWriter {
    mutating func settings(_ settings: QueueSettings) {
        let frame = begin(Kind.queue)
        var present: UInt64 = 0
        if settings.maxWait != nil { present |= 1 }
        if settings.ttl != nil { present |= 2 }
        if settings.maxDeliveries != nil { present |= 4 }
        if settings.deadLetterQueue != nil { present |= 8 }
        if case .keep = settings.retention { present |= 16 }
        number(present)
        signed(Int64(settings.maxJobs))
        signed(Int64(settings.maxBytes))
        overflow(settings.overflow)
        signed(Int64(settings.maxAttempts))
        duration(settings.lease)
        duration(settings.dedupWindow)
        signed(Int64(settings.dedupMax))
        if let maxWait = settings.maxWait { duration(maxWait) }
        if let ttl = settings.ttl { duration(ttl) }
        if let maxDeliveries = settings.maxDeliveries { signed(Int64(maxDeliveries)) }
        if let queue = settings.deadLetterQueue { text(queue) }
        if case .keep(let succeeded, let failed, let count) = settings.retention {
            duration(succeeded)
            duration(failed)
            signed(Int64(count))
        }
        end(frame)
    }

    mutating func status(_ status: QueueStatus) {
        let frame = begin(Kind.queue)
        byte((status.isPaused ? 1 : 0) | (status.oldestQueued == nil ? 0 : 2))
        queue(status.name)
        number(status.settingsVersion.number)
        settings(status.settings)
        let counts = status.counts
        for count in [
            counts.scheduled, counts.queued, counts.running, counts.retrying, counts.succeeded, counts.failed, counts.cancelled,
            counts.expired,
        ] { signed(Int64(count)) }
        signed(Int64(status.bytes))
        signed(Int64(status.keys))
        let totals = status.totals
        for total in [
            totals.published, totals.refused, totals.duplicates, totals.delivered, totals.succeeded, totals.failedAttempts,
            totals.leasesExpired, totals.dropped, totals.deadLettered,
        ] { signed(Int64(total)) }
        if let oldest = status.oldestQueued { time(oldest) }
        for number in [totals.failed, totals.expired] { signed(Int64(number)) }
        end(frame)
    }
}

extension FrameReader {
    mutating func settings() throws(WireError) -> QueueSettings {
        let frame = try open(Kind.queue)
        let present = try number()
        guard present < 32 else {
            throw WireError(.unknown, "a queue has settings that are not known here: the other side is newer", offset: offset)
        }
        var settings = QueueSettings()
        settings.maxJobs = try whole()
        settings.maxBytes = try whole()
        settings.overflow = try overflow()
        settings.maxAttempts = try whole()
        settings.lease = try duration()
        settings.dedupWindow = try duration()
        settings.dedupMax = try whole()
        if present & 1 != 0 { settings.maxWait = try duration() }
        if present & 2 != 0 { settings.ttl = try duration() }
        if present & 4 != 0 { settings.maxDeliveries = try whole() }
        if present & 8 != 0 { settings.deadLetterQueue = try text() }
        settings.retention = .none
        if present & 16 != 0 {
            let succeeded = try duration(), failed = try duration()
            settings.retention = .keep(succeeded: succeeded, failed: failed, count: try whole())
        }
        close(frame)
        return settings
    }

    mutating func status() throws(WireError) -> QueueStatus {
        let frame = try open(Kind.queue)
        let status = try openedStatus()
        close(frame)
        return status
    }

    /// How a queue stands whose frame is open.
    mutating func openedStatus() throws(WireError) -> QueueStatus {
        let flags = try flags(3)
        let name = try queue(), version = Version(try number()), settings = try settings()
        var counts = QueueStatus.Counts()
        counts.scheduled = try whole()
        counts.queued = try whole()
        counts.running = try whole()
        counts.retrying = try whole()
        counts.succeeded = try whole()
        counts.failed = try whole()
        counts.cancelled = try whole()
        counts.expired = try whole()
        let bytes = try whole(), keys = try whole()
        var totals = QueueStatus.Totals()
        totals.published = try whole()
        totals.refused = try whole()
        totals.duplicates = try whole()
        totals.delivered = try whole()
        totals.succeeded = try whole()
        totals.failedAttempts = try whole()
        totals.leasesExpired = try whole()
        totals.dropped = try whole()
        totals.deadLettered = try whole()
        let oldest = flags & 2 != 0 ? try time() : nil
        totals.failed = try whole()
        totals.expired = try whole()
        return QueueStatus(
            name: name,
            settings: settings,
            settingsVersion: version,
            isPaused: flags & 1 != 0,
            counts: counts,
            bytes: bytes,
            keys: keys,
            totals: totals,
            oldestQueued: oldest
        )
    }
}
