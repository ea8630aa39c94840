import GodwitCore

// Operations: one frame each.

extension FrameWriter {
    mutating func operation(_ operation: GodwitCore.Operation) {
        switch operation {
        case .enqueue(let message): self.message(message)
        case .complete(let token, let result):
            let frame = begin(Kind.complete)
            byte(result == nil ? 0 : 1)
            text(token.description)
            if let result { content(result) }
            end(frame)
        case .fail(let token, let failure, let retry):
            let frame = begin(Kind.fail)
            self.failure(token, failure)
            self.retry(retry)
            end(frame)
        case .release(let token, let delay, let counted, let place, let headers):
            let frame = begin(Kind.release)
            byte((delay == nil ? 0 : 1) | (counted ? 2 : 0) | (place == .back ? 4 : 0) | (place == .untouched ? 8 : 0))
            text(token.description)
            if let delay { duration(delay) }
            self.headers(headers)
            end(frame)
        case .deadLetter(let token, let failure, let target):
            let frame = begin(Kind.deadLetter)
            self.failure(token, failure)
            flag(target != nil)
            if let target { queue(target) }
            end(frame)
        case .cancel(let id): job(id, Kind.cancel)
        case .retry(let id): job(id, Kind.retry)
        case .redrive(let id): job(id, Kind.redrive)
        case .forget(let id): job(id, Kind.forget)
        case .put(let key, let value, let expecting, let lifetime):
            let frame = begin(Kind.put)
            byte(lifetime == nil ? 0 : 1)
            self.key(key)
            blob(value)
            expectation(expecting)
            if let lifetime { duration(lifetime) }
            end(frame)
        case .add(let addition): add(addition)
        case .delete(let key, let expecting):
            let frame = begin(Kind.delete)
            self.key(key)
            expectation(expecting)
            end(frame)
        }
    }

    private mutating func job(_ id: JobID, _ kind: UInt8) {
        let frame = begin(kind)
        job(id)
        end(frame)
    }

    private mutating func failure(_ token: LeaseToken, _ failure: Failure) {
        byte(failure.code == nil ? 0 : 1)
        text(token.description)
        text(failure.message)
        if let code = failure.code { text(code) }
    }

    private mutating func retry(_ decision: RetryDecision) {
        switch decision {
        case .standard: byte(0)
        case .after(let delay):
            byte(1)
            duration(delay)
        case .never: byte(2)
        }
    }

    private mutating func add(_ addition: Addition) {
        let frame = begin(Kind.add)
        byte(addition.lifetime == nil ? 0 : 1)
        key(addition.key)
        text(addition.step)
        signed(Int64(addition.amount))
        signed(Int64(addition.target))
        if let lifetime = addition.lifetime { duration(lifetime) }
        count(addition.then.count)
        for operation in addition.then { self.operation(operation) }
        end(frame)
    }
}

extension FrameReader {
    mutating func operation() throws(WireError) -> GodwitCore.Operation {
        guard let (kind, around) = try open() else { throw damaged("an operation is missing") }
        let operation: GodwitCore.Operation
        switch kind {
        case Kind.enqueue: operation = .enqueue(try message())
        case Kind.complete:
            let hasResult = try flags(1) != 0
            operation = .complete(try token(), result: hasResult ? try content() : nil)
        case Kind.fail:
            let (token, failure) = try failure()
            operation = .fail(token, failure, retry: try retry())
        case Kind.release: operation = try release()
        case Kind.deadLetter:
            let (token, failure) = try failure()
            operation = .deadLetter(token, failure, to: try flag() ? try queue() : nil)
        case Kind.cancel: operation = .cancel(try job())
        case Kind.retry: operation = .retry(try job())
        case Kind.redrive: operation = .redrive(try job())
        case Kind.forget: operation = .forget(try job())
        case Kind.put:
            let hasLifetime = try flags(1) != 0
            let key = try key(), value = try blob(), expecting = try expectation()
            operation = .put(key, value: value, expecting: expecting, lifetime: hasLifetime ? try duration() : nil)
        case Kind.add: operation = .add(try addition())
        case Kind.delete:
            let key = try key()
            operation = .delete(key, expecting: try expectation())
        default: throw unknown(kind)
        }
        close(around)
        return operation
    }

    mutating func token() throws(WireError) -> LeaseToken { LeaseToken(try text()) }

    private mutating func failure() throws(WireError) -> (LeaseToken, Failure) {
        let hasCode = try flags(1) != 0
        let token = try token(), message = try text()
        return (token, Failure(message: message, code: hasCode ? try text() : nil))
    }

    private mutating func retry() throws(WireError) -> RetryDecision {
        switch try byte() {
        case 0: return .standard
        case 1: return .after(try duration())
        case 2: return .never
        case let other: throw WireError(.unknown, "the retry decision \(other) is not known here", offset: offset)
        }
    }

    private mutating func release() throws(WireError) -> GodwitCore.Operation {
        let flags = try flags(15)
        guard flags & 12 != 12 else {
            throw WireError(.unacceptable, "a job goes to the back or stays untouched, not both", offset: offset)
        }
        let token = try token()
        let delay = flags & 1 != 0 ? try duration() : nil
        return .release(
            token,
            delay: delay,
            counted: flags & 2 != 0,
            to: flags & 4 != 0 ? .back : flags & 8 != 0 ? .untouched : .original,
            amending: try headers()
        )
    }

    private mutating func addition() throws(WireError) -> Addition {
        let hasLifetime = try flags(1) != 0
        let key = try key(), step = try text()
        let amount = try whole(), target = try whole()
        let lifetime = hasLifetime ? try duration() : nil
        return Addition(key: key, step: step, amount: amount, target: target, then: try operations(), lifetime: lifetime)
    }
}
