import GodwitCore
import GodwitWire
import Synchronization

/// Carries out what a ``CallLane`` says.
final class CallSender: Sendable {
    typealias Waiter = CheckedContinuation<Result<CallAnswer, BrokerError>, Never>

    private let exchanger: Exchanger
    private let lane: Mutex<CallLane<Waiter>>

    init(_ exchanger: Exchanger) {
        self.exchanger = exchanger
        lane = Mutex(CallLane(exchanger.configuration))
    }

    /// A task that is cancelled while it waits for a read takes it back; for an act, while it is not on its way. One that was cancelled before
    /// it asked is answered all the same.
    /// - Throws: what the server refused, or why it cannot be asked.
    nonisolated(nonsending) func call(_ call: Call) async throws(BrokerError) -> CallAnswer {
        let asked = ContinuousClock.now, end = asked + exchanger.configuration.patience
        let isCancellable = !Task.isCancelled
        while true {
            let answer = try await (isCancellable ? wait(for: call, asked) : callOnce(call, asked)).get()
            guard case .refused(let error) = answer else { return answer }
            // What others asked for in the same request filled the answer: it is asked again, and stands before them some time.
            let least = error.retryAfter ?? .milliseconds(1)
            guard error.code == .busy, call.isHarmless, .now + least < end else { throw error.here }
            await exchanger.rest(least, isInterruptible: isCancellable)
            if isCancellable, Task.isCancelled { throw .cancelledCaller }
        }
    }

    nonisolated(nonsending) private func wait(for call: Call, _ asked: ContinuousClock.Instant) async -> Result<CallAnswer, BrokerError> {
        await withPlace({ add(call, $0, asked) }, leave: { leave($0) })
    }

    nonisolated(nonsending) private func callOnce(_ call: Call, _ asked: ContinuousClock.Instant) async -> Result<CallAnswer, BrokerError> {
        await withCheckedContinuation { (waiter: Waiter) in add(call, waiter, asked) }
    }

    /// - Parameter asked: when the caller asked first: its patience counts from then.
    /// - Returns: its place in the lane; 0 when it was refused.
    @discardableResult
    private func add(_ call: Call, _ waiter: Waiter, _ asked: ContinuousClock.Instant) -> UInt64 {
        do throws(BrokerError) {
            let number = try lane.withLock { lane throws(BrokerError) in try lane.add(call, ticket: waiter, at: asked) }
            sendNext()
            return number
        } catch {
            waiter.resume(returning: .failure(error))
            return 0
        }
    }

    private func leave(_ number: UInt64) { lane.withLock { $0.leave(number) }?.resume(returning: .failure(.cancelledCaller)) }

    private func sendNext() {
        guard let request = lane.withLock({ $0.next(at: .now) }) else { return }
        send(request)
    }

    private func send(_ request: CallLane<Waiter>.Request) {
        let number = request.number
        let count = request.calls.count
        let body = Wire.encode(request.calls)
        exchanger.send(Exchanger.Request(.post, "/v1/calls", body: body, deadline: request.deadline, limit: 256 << 20)) { [self] result in
            do throws(ExchangeFailure) {
                let answers = try result.get().document { bytes throws(WireError) in try Wire.decodeAnswers(bytes) }
                guard let settled = lane.withLock({ $0.answered(number, answers) }) else {
                    throw .unreadable("it has \(answers.count) answers for \(count) calls")
                }
                finish(settled)
            } catch {
                failed(number, error)
            }
        }
    }

    private func failed(_ number: UInt64, _ failure: ExchangeFailure) {
        let random = UInt64.random(in: .min ... .max)
        switch lane.withLock({ $0.failed(number, failure, at: .now, random: random) }) {
        case .again(let wait, let settled):
            exchanger.after(wait) { [self] in
                guard let request = lane.withLock({ $0.again(number, at: .now) }) else { return }
                send(request)
            }
            for (waiter, answer) in settled { waiter.resume(returning: answer) }
        case .settled(let settled): finish(settled)
        }
    }

    private func finish(_ settled: [CallLane<Waiter>.Settled]) {
        sendNext()
        for (waiter, answer) in settled { waiter.resume(returning: answer) }
    }

    func close() {
        for (waiter, answer) in lane.withLock({ $0.close() }) { waiter.resume(returning: answer) }
    }
}
