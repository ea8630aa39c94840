import GodwitCore

/// Leases, of which renewals and what an opening makes of them are no events.
extension Model {
    /// Leases have their full time again when the store is opened.
    mutating func restartLease(of number: Int) {
        guard let job = job(number)?.copy(), var lease = job.lease else { return }
        lease.term = lease.recordedTerm
        lease.deadline = lease.term == 0 ? .max : lease.term
        lease.attemptDeadline = attemptDeadline(job, term: lease.term, at: 0)
        job.lease = lease
        put(job)
    }

    /// A lease is over, though its job could not be ended.
    mutating func endLease(of number: Int, at leaseNow: Int64) {
        guard let job = job(number)?.copy(), var lease = job.lease else { return }
        (lease.deadline, lease.attemptDeadline) = (leaseNow, .max)
        job.lease = lease
        put(job)
    }

    mutating func renew(_ number: Int, term: Int64?, at leaseNow: Int64) -> Int64 {
        guard let job = job(number)?.copy(), var lease = job.lease else { return 0 }
        if let term { lease.term = term }
        lease.deadline = lease.term == 0 ? .max : leaseNow + lease.term
        job.lease = lease
        put(job)
        return lease.term
    }

    /// A lease goes on though its job could not be settled, and the attempt takes as long as it does.
    mutating func keepLease(of number: Int, for least: Int64, at leaseNow: Int64) {
        guard let job = job(number)?.copy(), var lease = job.lease else { return }
        let end = leaseNow + max(lease.term, least)
        lease.deadline = max(lease.deadline, end)
        lease.attemptDeadline = max(lease.attemptDeadline, end)
        job.lease = lease
        put(job)
    }

    func attemptDeadline(_ job: ModelJob, term: Int64, at leaseNow: Int64) -> Int64 {
        guard let timeout = job.message.timeout?.inMilliseconds else { return .max }
        let grace = term == 0 ? queues[job.queue]?.settings.lease.inMilliseconds ?? 0 : term
        return leaseNow + timeout + grace
    }
}
