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

    /// - Throws: what the server refused, or why it cannot be asked.
    nonisolated(nonsending) func call(_ call: Call) async throws(BrokerError) -> CallAnswer {
        let start = ContinuousClock.now
        while true {
            let answer = try await callOnce(call)
            guard case .refused(let error) = answer else { return answer }
            // What others asked for in the same request filled the answer: it is asked again, and stands before them some time.
            guard error.code == .busy, call.isHarmless, start + exchanger.configuration.patience > .now else { throw error.here }
            await exchanger.rest(error.retryAfter ?? .milliseconds(1))
        }
    }

    nonisolated(nonsending) private func callOnce(_ call: Call) async throws(BrokerError) -> CallAnswer {
        try await withCheckedContinuation { (waiter: Waiter) in
            if let error = lane.withLock({ $0.add(call, ticket: waiter) }) {
                waiter.resume(returning: .failure(error))
            } else {
                sendNext()
            }
        }.get()
    }

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
        case .again(let wait):
            exchanger.after(wait) { [self] in
                guard let request = lane.withLock({ $0.again(number, at: .now) }) else { return }
                send(request)
            }
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
