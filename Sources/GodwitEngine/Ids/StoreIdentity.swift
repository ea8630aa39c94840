import GodwitCore

/// What makes a store's ids its own and unguessable: drawn when it is made, kept in its first record.
///
/// A store has as many lives as backups of it were restored one upon the other, and one more. Each has an incarnation of its own, and all
/// jobs made in it bear that: those of a restored backup keep their ids, and no id that was made after the backup ever means another job.
struct StoreIdentity: Sendable, Equatable {
    /// What a life of the store began with.
    struct Life: Sendable, Equatable {
        /// The sequence number of its first job.
        var first: UInt64
        var incarnation: UInt16
    }

    /// The life that new jobs are made in.
    private(set) var current: Life
    /// Those before it, oldest first.
    private(set) var earlier: [Life] = []
    let secret: SipHash

    init(incarnation: UInt16, k0: UInt64, k1: UInt64) {
        current = Life(first: 1, incarnation: incarnation)
        secret = SipHash(k0: k0, k1: k1)
    }

    /// A backup was restored: from this sequence number on ids are others than those that were made after the backup.
    mutating func beginLife(at first: UInt64, incarnation: UInt16) {
        earlier.append(current)
        current = Life(first: first, incarnation: incarnation)
    }

    /// Whether a life of the store had this incarnation.
    func hasUsed(_ incarnation: UInt16) -> Bool {
        current.incarnation == incarnation || earlier.contains { $0.incarnation == incarnation }
    }

    private func incarnation(of sequence: UInt64) -> UInt16 {
        if sequence >= current.first { return current.incarnation }
        return earlier.last { sequence >= $0.first }?.incarnation ?? current.incarnation
    }

    private enum Domain {
        static let job: UInt64 = 0x6a6f_6200
        static let lease: UInt64 = 0x6c65_6173
    }

    /// The id of the job with this sequence number.
    func jobID(_ sequence: UInt64) -> JobID {
        // A sequence number has 48 bits: nine years at a million jobs a second.
        let incarnation = incarnation(of: sequence)
        let word = UInt64(incarnation) << 48 | sequence
        return JobID(word, secret.mac(Domain.job, UInt64(incarnation), sequence))
    }

    /// The sequence number in an id that this store made; nil for all else. The MAC is compared in constant time: one word.
    func sequence(of id: JobID) -> UInt64? {
        guard let (word, mac) = id.words else { return nil }
        let sequence = word & 0xffff_ffff_ffff, incarnation = incarnation(of: sequence)
        guard word >> 48 == UInt64(incarnation) else { return nil }
        return secret.mac(Domain.job, UInt64(incarnation), sequence) ^ mac == 0 ? sequence : nil
    }

    func token(sequence: UInt64, fencing: UInt64) -> LeaseToken {
        LeaseToken(sequence, fencing, secret.mac(Domain.lease ^ UInt64(current.incarnation) << 32, sequence, fencing))
    }

    /// What a token names, if this store made it in its current life: restoring a backup ends all leases.
    func lease(of token: LeaseToken) -> LeaseName? {
        guard let (sequence, fencing, mac) = token.words else { return nil }
        return secret.mac(Domain.lease ^ UInt64(current.incarnation) << 32, sequence, fencing) ^ mac == 0
            ? LeaseName(sequence: sequence, fencing: fencing) : nil
    }
}

extension StoreIdentity {
    /// As the store's first record has it, and its checkpoints.
    func encode(into writer: inout RecordWriter) {
        writer.put(secret.k0)
        writer.put(secret.k1)
        writer.put(UInt16(earlier.count + 1))
        for life in earlier + [current] {
            writer.put(life.first)
            writer.put(life.incarnation)
        }
    }

    init(decoding reader: inout RecordReader) throws(RecordError) {
        let k0: UInt64 = try reader.get(), k1: UInt64 = try reader.get(), count: UInt16 = try reader.get()
        guard count > 0, try reader.sequence() == 1 else { throw .malformed("a store without a beginning") }
        self.init(incarnation: try reader.get(), k0: k0, k1: k1)
        for _ in 1..<count {
            let first = try reader.sequence()
            guard first >= current.first else { throw .malformed("lives of a store that are out of order") }
            beginLife(at: first, incarnation: try reader.get())
        }
    }
}
