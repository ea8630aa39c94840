package import GodwitCore

/// Who asks for how many jobs, from what, for how long.
package struct LeaseRequest: Sendable {
    /// Never one that lives in the broker's process.
    package var holder: HolderOptions
    package var max: Int
    package var term: LeaseTerm
    package var wait: Duration

    package init(holder: HolderOptions, max: Int, term: LeaseTerm, wait: Duration) {
        self.holder = holder
        self.max = max
        self.term = term
        self.wait = wait
    }
}

/// Heartbeats of one holder.
package struct RenewRequest: Sendable {
    package var holder: HolderID
    package var renewals: [Renewal]

    package init(holder: HolderID, renewals: [Renewal]) {
        self.holder = holder
        self.renewals = renewals
    }
}

extension Wire {
    package static func encode(_ request: LeaseRequest) -> [UInt8] {
        var writer = FrameWriter(.lease)
        writer.request(request)
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeLease(_ bytes: Bytes) throws(WireError) -> LeaseRequest {
        try decode(bytes, .lease) { reader throws(WireError) in try reader.leaseRequest() }
    }

    package static func encode(_ deliveries: [Delivery]) -> [UInt8] {
        var writer = FrameWriter(.deliveries, capacity: deliveries.reduce(64) { $0 + 384 + $1.payload.bytes.count })
        for delivery in deliveries { writer.delivery(delivery) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeDeliveries(_ bytes: Bytes) throws(WireError) -> [Delivery] {
        try decodeAll(bytes, .deliveries) { reader, kind throws(WireError) in
            guard kind == Kind.delivery else { throw reader.unknown(kind) }
            return try reader.delivery()
        }
    }

    package static func encode(_ request: RenewRequest) -> [UInt8] {
        var writer = FrameWriter(.renew, capacity: 64 + request.renewals.count * 96)
        let frame = writer.begin(Kind.holder)
        writer.text(request.holder.description)
        writer.end(frame)
        for renewal in request.renewals { writer.renewal(renewal) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeRenew(_ bytes: Bytes) throws(WireError) -> RenewRequest {
        var reader = try FrameReader(bytes, .renew)
        let frame = try reader.open(Kind.holder)
        var request = RenewRequest(holder: HolderID(try reader.text()), renewals: [])
        reader.close(frame)
        while let (kind, around) = try reader.open() {
            guard kind == Kind.renewal else { throw reader.unknown(kind) }
            try reader.take(1, weight: WireFormat.itemsOfWatch)
            request.renewals.append(try reader.renewal())
            reader.close(around)
        }
        return request
    }

    package static func encode(_ outcomes: [RenewalOutcome]) -> [UInt8] {
        var writer = FrameWriter(.renewals, capacity: 16 + outcomes.count * 16)
        for outcome in outcomes {
            switch outcome {
            case .good(let remaining):
                let frame = writer.begin(Kind.good)
                writer.duration(remaining)
                writer.end(frame)
            case .cancelRequested: writer.empty(Kind.cancelRequested)
            case .stale: writer.empty(Kind.stale)
            case .unreachable: writer.empty(Kind.unreachable)
            }
        }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeRenewals(_ bytes: Bytes) throws(WireError) -> [RenewalOutcome] {
        try decodeAll(bytes, .renewals) { reader, kind throws(WireError) in
            switch kind {
            case Kind.good: return .good(remaining: try reader.duration())
            case Kind.cancelRequested: return .cancelRequested
            case Kind.stale: return .stale
            case Kind.unreachable: return .unreachable
            default: throw reader.unknown(kind)
            }
        }
    }
}

extension FrameWriter {
    fileprivate mutating func request(_ request: LeaseRequest) {
        let frame = begin(Kind.leaseRequest)
        text(request.holder.id.description)
        count(request.holder.queues.count)
        for name in request.holder.queues { queue(name) }
        switch request.holder.order {
        case .strict: byte(0)
        case .weighted(let weights):
            byte(1)
            count(weights.count)
            for weight in weights { signed(Int64(weight)) }
        }
        signed(Int64(request.holder.capacity))
        signed(Int64(request.max))
        switch request.term {
        case .queue: byte(0)
        case .fixed(let length):
            byte(1)
            duration(length)
        case .holderLife: byte(2)
        }
        duration(request.wait)
        end(frame)
    }

    fileprivate mutating func delivery(_ delivery: Delivery) {
        let frame = begin(Kind.delivery)
        byte((delivery.timeout == nil ? 0 : 1) | (delivery.fencingNumber == nil ? 0 : 2) | (delivery.waited == nil ? 0 : 4))
        text(delivery.token.description)
        snapshot(delivery.job)
        content(delivery.payload)
        headers(delivery.headers)
        if let timeout = delivery.timeout { duration(timeout) }
        duration(delivery.remaining)
        count(delivery.deliveries)
        if let fencing = delivery.fencingNumber { number(fencing) }
        if let waited = delivery.waited { duration(waited) }
        end(frame)
    }

    fileprivate mutating func renewal(_ renewal: Renewal) {
        let frame = begin(Kind.renewal)
        byte((renewal.term == nil ? 0 : 1) | (renewal.progress == nil ? 0 : 2))
        text(renewal.token.description)
        if let term = renewal.term { duration(term) }
        if let progress = renewal.progress { self.progress(progress) }
        end(frame)
    }

    mutating func progress(_ progress: JobProgress) {
        byte(progress.note == nil ? 0 : 1)
        double(progress.fraction)
        if let note = progress.note { text(note) }
    }
}

extension FrameReader {
    fileprivate mutating func leaseRequest() throws(WireError) -> LeaseRequest {
        let frame = try open(Kind.leaseRequest)
        let id = HolderID(try text())
        var queues: [QueueName] = []
        for _ in 0..<(try count(least: 2)) { queues.append(try queue()) }
        let order = try order()
        let capacity = try signed(), max = try signed()
        let term = try term(), wait = try duration()
        close(frame)
        let holder = HolderOptions(id: id, queues: queues, order: order, capacity: Int(clamping: capacity), isEmbedded: false)
        return LeaseRequest(holder: holder, max: Int(clamping: max), term: term, wait: wait)
    }

    private mutating func order() throws(WireError) -> HolderOptions.Order {
        switch try byte() {
        case 0: return .strict
        case 1:
            var weights: [Int] = []
            for _ in 0..<(try count()) { weights.append(Int(clamping: try signed())) }
            return .weighted(weights)
        case let other: throw WireError(.unknown, "the order \(other) is not known here", offset: offset)
        }
    }

    private mutating func term() throws(WireError) -> LeaseTerm {
        switch try byte() {
        case 0: return .queue
        case 1: return .fixed(try duration())
        case 2: return .holderLife
        case let other: throw WireError(.unknown, "the lease's term \(other) is not known here", offset: offset)
        }
    }

    fileprivate mutating func delivery() throws(WireError) -> Delivery {
        let flags = try flags(7)
        let token = try token(), job = try snapshot(), payload = try content(), headers = try headers()
        let timeout = flags & 1 != 0 ? try duration() : nil
        let remaining = try duration(), deliveries = try integer()
        return Delivery(
            token: token,
            job: job,
            payload: payload,
            headers: headers,
            timeout: timeout,
            remaining: remaining,
            deliveries: deliveries,
            fencingNumber: flags & 2 != 0 ? try number() : nil,
            waited: flags & 4 != 0 ? try duration() : nil
        )
    }

    fileprivate mutating func renewal() throws(WireError) -> Renewal {
        let flags = try flags(3)
        var renewal = Renewal(try token())
        if flags & 1 != 0 { renewal.term = try duration() }
        if flags & 2 != 0 { renewal.progress = try progress() }
        return renewal
    }

    mutating func progress() throws(WireError) -> JobProgress {
        let hasNote = try flags(1) != 0
        let fraction = try double()
        return JobProgress(fraction: fraction, note: hasNote ? try text() : nil)
    }
}
