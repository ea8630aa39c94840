/// A header of a job: a name in lower case and a value, both text. Handed back with every delivery, never interpreted by a broker.
package struct Header: Sendable, Hashable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A message to be enqueued.
package struct NewMessage: Sendable {
    /// When it may run first.
    package enum Start: Sendable, Hashable {
        case now
        /// After a delay, which runs on the broker's monotonic time.
        case after(Duration)
        /// At a time of the wall clock; a past one is now.
        case at(Timestamp)
    }

    /// An idempotency key: the same key in the same queue within the queue's window enqueues nothing a second time.
    package struct Deduplication: Sendable, Hashable {
        /// 1 to ``Limits/key`` bytes.
        package var key: String
        /// When it is given, the same key with another fingerprint is refused as `keyConflict`; see ``NewMessage/fingerprint``.
        package var fingerprint: UInt64?

        package init(key: String, fingerprint: UInt64? = nil) {
            self.key = key
            self.fingerprint = fingerprint
        }
    }

    package var queue: QueueName
    package var payload: Content
    package var name: String?
    package var headers: [Header]
    package var start: Start
    /// 0 to 255, higher first.
    package var priority: Int
    /// The job expires when it was not started for this long after it was published.
    package var expires: Duration?
    /// How long one attempt may take.
    package var timeout: Duration?
    /// 1 to ``Limits/maxAttempts``; nil takes the queue's setting.
    package var maxAttempts: Int?
    package var deduplication: Deduplication?
    /// The ordered group of its queue that it belongs to, 1 to ``Limits/group`` bytes: one job of a group runs at a time, in the order in which
    /// they were published, and one that waits for a retry or a time keeps the others waiting.
    package var group: String?
    /// Makes it unique in its queue, 1 to ``Limits/claim`` bytes: while a job with this claim is unfinished, there is no second one.
    package var claim: String?
    /// What is done when the job has ended, at most ``Limits/followUps`` operations, whatever ends it. A dead letter of it in another queue does
    /// not have them; a job that is retried after its end does them again when it ends again.
    package var onFinal: [FollowUp]
    /// What it has behind it when it comes from another store. Its key and its claim then hold no other job off, and one that has ended
    /// counts against no bound.
    package var past: JobPast?
    /// Whether it is confirmed before it is on disk, and gone when the store is opened again: for what is worth less than the wait. Such a
    /// message has no idempotency key, no group, no claim and no follow-ups.
    package var isTransient: Bool

    package init(
        queue: QueueName,
        payload: Content,
        name: String? = nil,
        headers: [Header] = [],
        start: Start = .now,
        priority: Int = 0,
        expires: Duration? = nil,
        timeout: Duration? = nil,
        maxAttempts: Int? = nil,
        deduplication: Deduplication? = nil,
        group: String? = nil,
        claim: String? = nil,
        onFinal: [FollowUp] = [],
        isTransient: Bool = false
    ) {
        self.queue = queue
        self.payload = payload
        self.name = name
        self.headers = headers
        self.start = start
        self.priority = priority
        self.expires = expires
        self.timeout = timeout
        self.maxAttempts = maxAttempts
        self.deduplication = deduplication
        self.group = group
        self.claim = claim
        self.onFinal = onFinal
        self.isTransient = isTransient
    }

    /// What the payload, the headers and what follows count against a queue's bytes and a transaction's.
    package var size: Int {
        let size = headers.reduce(payload.bytes.count + (name?.utf8.count ?? 0) + payload.type.utf8.count) {
            $0 + $1.name.utf8.count + $1.value.utf8.count
        }
        return onFinal.isEmpty ? size : onFinal.reduce(size) { $0 + $1.operation.followUpSize }
    }
}

extension NewMessage {
    /// A 64-bit digest of name, content type, payload and options (never of headers: traces differ), for ``Deduplication``.
    ///
    /// It tells an honest repetition from another request under the same key; it is no defence against somebody who looks for collisions,
    /// who could only make his own request disappear. Every client computes it in this way, so that a repetition is one across all faces.
    package var fingerprint: UInt64 {
        var digest = Digest64()
        digest.add(name)
        digest.add(payload.type)
        payload.bytes.withUnsafeBytes { digest.add($0) }
        switch start {
        case .now: digest.add(0)
        case .after(let delay): digest.add(1, delay.inMilliseconds)
        case .at(let time): digest.add(2, time.milliseconds)
        }
        digest.add(Int64(priority), expires?.inMilliseconds ?? -1, timeout?.inMilliseconds ?? -1, Int64(maxAttempts ?? -1))
        if let group {
            digest.add(3)
            digest.add(group)
        }
        if let claim {
            digest.add(4)
            digest.add(claim)
        }
        if !onFinal.isEmpty {
            digest.add(5)
            digest.add(onFinal)
        }
        return digest.value
    }
}

/// MurmurHash64A (Austin Appleby, public domain), fed piecewise: each piece is hashed with the value so far as its seed.
struct Digest64 {
    private(set) var value: UInt64 = 0x60d_317

    mutating func add(_ text: String?) {
        var text = text ?? "\u{0}"
        text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }

    mutating func add(_ numbers: Int64...) {
        numbers.withUnsafeBytes { add($0) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        let m: UInt64 = 0xc6a4_a793_5bd1_e995
        var h = value ^ (UInt64(bytes.count) &* m)
        var at = 0
        while at + 8 <= bytes.count {
            var k = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* m
            k = (k ^ (k >> 47)) &* m
            h = (h ^ k) &* m
            at += 8
        }
        if at < bytes.count {
            for (shift, byte) in bytes[at...].enumerated() { h ^= UInt64(byte) << UInt64(8 * shift) }
            h = h &* m
        }
        h = (h ^ (h >> 47)) &* m
        value = h ^ (h >> 47)
    }
}
