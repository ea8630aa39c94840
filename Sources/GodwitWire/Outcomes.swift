package import GodwitCore

extension Wire {
    package static func encode(_ outcomes: [TransactionOutcome]) -> [UInt8] {
        var writer = FrameWriter(.outcomes, capacity: 64 + outcomes.count * 96)
        for outcome in outcomes { writer.outcome(outcome) }
        return writer.bytes
    }

    /// - Throws: ``WireError``.
    package static func decodeOutcomes(_ bytes: Bytes) throws(WireError) -> [TransactionOutcome] {
        try decodeAll(bytes, .outcomes) { reader, kind throws(WireError) in try reader.outcome(kind) }
    }
}

extension FrameWriter {
    fileprivate mutating func outcome(_ outcome: TransactionOutcome) {
        switch outcome {
        case .committed(let results):
            let frame = begin(Kind.committed)
            count(results.count)
            for result in results { self.result(result) }
            end(frame)
        case .aborted(let operation, let error):
            let frame = begin(Kind.aborted)
            count(operation)
            self.error(error)
            end(frame)
        }
    }

    private mutating func result(_ result: OperationResult) {
        switch result {
        case .enqueued(let enqueued):
            let frame = begin(Kind.enqueued)
            byte(enqueued.runAt == nil ? 0 : 1)
            job(enqueued.id)
            state(enqueued.state)
            time(enqueued.createdAt)
            if let runAt = enqueued.runAt { time(runAt) }
            signed(Int64(enqueued.maxAttempts))
            number(enqueued.version.number)
            end(frame)
        case .duplicate(let id):
            let frame = begin(Kind.duplicate)
            job(id)
            end(frame)
        case .state(let state):
            let frame = begin(Kind.state)
            self.state(state)
            end(frame)
        case .forgotten: empty(Kind.forgotten)
        case .put(let version):
            let frame = begin(Kind.versioned)
            number(version.number)
            end(frame)
        case .added(let added): self.added(added)
        case .deleted: empty(Kind.deleted)
        }
    }

    private mutating func added(_ added: Added) {
        let frame = begin(Kind.added)
        byte((added.isCounted ? 1 : 0) | (added.completes ? 2 : 0))
        count(added.counter.count)
        count(added.counter.target)
        number(added.version.number)
        count(added.enqueued.count)
        for id in added.enqueued { job(id) }
        end(frame)
    }
}

extension FrameReader {
    fileprivate mutating func outcome(_ kind: UInt8) throws(WireError) -> TransactionOutcome {
        switch kind {
        case Kind.committed:
            let count = try count(least: WireFormat.frameHeaderBytes)
            var results: [OperationResult] = []
            results.reserveCapacity(count)
            for _ in 0..<count { results.append(try result()) }
            return .committed(results)
        case Kind.aborted:
            let operation = try integer()
            return .aborted(operation: operation, try error())
        default: throw unknown(kind)
        }
    }

    private mutating func result() throws(WireError) -> OperationResult {
        guard let (kind, around) = try open() else { throw damaged("an operation's result is missing") }
        let result: OperationResult
        switch kind {
        case Kind.enqueued: result = .enqueued(try enqueued())
        case Kind.duplicate: result = .duplicate(try job())
        case Kind.state: result = .state(try state())
        case Kind.forgotten: result = .forgotten
        case Kind.versioned: result = .put(Version(try number()))
        case Kind.added: result = .added(try added())
        case Kind.deleted: result = .deleted
        default: throw unknown(kind)
        }
        close(around)
        return result
    }

    private mutating func enqueued() throws(WireError) -> Enqueued {
        let hasTime = try flags(1) != 0
        let id = try job(), state = try state(), createdAt = try time()
        let runAt = hasTime ? try time() : nil
        let maxAttempts = try whole()
        return Enqueued(
            id: id,
            state: state,
            createdAt: createdAt,
            runAt: runAt,
            maxAttempts: maxAttempts,
            version: Version(try number())
        )
    }

    private mutating func added() throws(WireError) -> Added {
        let flags = try flags(3)
        let counter = try counter()
        let version = Version(try number())
        return Added(
            counter: counter,
            isCounted: flags & 1 != 0,
            completes: flags & 2 != 0,
            enqueued: try jobs(),
            version: version
        )
    }

    mutating func counter() throws(WireError) -> CounterValue {
        let count = try integer()
        return CounterValue(count: count, target: try integer())
    }

    /// A number of ids, then so many.
    mutating func jobs() throws(WireError) -> [JobID] {
        let count = try count()
        var jobs: [JobID] = []
        jobs.reserveCapacity(count)
        for _ in 0..<count { jobs.append(try job()) }
        return jobs
    }
}
