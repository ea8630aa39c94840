import GodwitCore

/// What makes a store's ids its own and unguessable: drawn when it is made, kept in its first record.
struct StoreIdentity: Sendable, Equatable {
    /// Tells the ids of this life of the store from those of an earlier one (a restored backup gets another).
    let incarnation: UInt16
    let secret: SipHash

    init(incarnation: UInt16, k0: UInt64, k1: UInt64) {
        self.incarnation = incarnation
        secret = SipHash(k0: k0, k1: k1)
    }

    private enum Domain {
        static let job: UInt64 = 0x6a6f_6200
        static let lease: UInt64 = 0x6c65_6173
    }

    /// The id of the job with this sequence number.
    func jobID(_ sequence: UInt64) -> JobID {
        // A sequence number has 48 bits: nine years at a million jobs a second.
        let word = UInt64(incarnation) << 48 | sequence
        return JobID(Base32.text(word, secret.mac(Domain.job, UInt64(incarnation), sequence)))
    }

    /// The sequence number in an id that this store made; nil for all else. The MAC is compared in constant time: one word.
    func sequence(of id: JobID) -> UInt64? {
        guard let (word, mac, _) = Base32.words(id.description, count: 2), word >> 48 == UInt64(incarnation) else { return nil }
        let sequence = word & 0xffff_ffff_ffff
        return secret.mac(Domain.job, UInt64(incarnation), sequence) ^ mac == 0 ? sequence : nil
    }

    func token(sequence: UInt64, fencing: UInt64) -> LeaseToken {
        LeaseToken(Base32.text(sequence, fencing, secret.mac(Domain.lease ^ UInt64(incarnation) << 32, sequence, fencing)))
    }

    /// What a token names, if this store made it.
    func lease(of token: LeaseToken) -> LeaseName? {
        guard let (sequence, fencing, mac) = Base32.words(token.description, count: 3) else { return nil }
        return secret.mac(Domain.lease ^ UInt64(incarnation) << 32, sequence, fencing) ^ mac == 0
            ? LeaseName(sequence: sequence, fencing: fencing) : nil
    }
}
