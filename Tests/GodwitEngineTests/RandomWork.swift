import GodwitCore
import GodwitJournal

@testable import GodwitEngine

/// Random commands for a core, of all kinds, as many callers give them.
struct RandomWork {
    var random: SplitMix64
    private var jobs: [UInt64] = []
    private var leases: [LeaseName] = []
    private var ticket: Ticket = 1
    private let queues = ["a", "b", "c", "d"].map { QueueName.name($0) }

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func roll(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    /// One turn with a few commands.
    mutating func turn(_ core: inout EngineCore, _ clock: ManualClock) {
        if roll(3) == 0 { clock.leap(by: .milliseconds(roll(700))) }
        var commands: [(ticket: Ticket, command: Command)] = []
        for _ in 0...roll(4) {
            ticket += 1
            commands.append((ticket, command(core.state.identity)))
        }
        core.turn(commands, at: clock.now())
        for (_, answer) in core.takeAnswers() { note(answer) }
    }

    /// Learns what there is from an answer.
    mutating func note(_ answer: Answer) {
        switch answer {
        case .outcomes(let outcomes):
            for case .one(.enqueued(let sequence, _, _, _, _)) in outcomes { jobs.append(sequence) }
        case .deliveries(let delivered):
            leases += delivered.map { LeaseName(sequence: $0.view.sequence, fencing: $0.fencing) }
        default: break
        }
    }

    private mutating func command(_ identity: StoreIdentity) -> Command {
        let queue = queues[roll(roll(4) == 0 ? 4 : 2)]
        switch roll(40) {
        case 0...12: return .commit([.one(.enqueue(message(queue)))])
        case 13...19:
            let holder = HolderOptions(id: HolderID("h\(roll(3))"), queues: [queue], capacity: 1, isEmbedded: roll(2) == 0)
            let term = LeaseTerm.fixed(.milliseconds(500 + roll(20_000)))
            return .lease(LeaseRequest(holder: holder, max: 1 + roll(4), term: term, wait: 0))
        case 20...30:
            guard !leases.isEmpty else { return .queues }
            let lease = leases.remove(at: roll(leases.count))
            switch roll(8) {
            case 0...3: return .commit([.one(.complete(lease, result: roll(2) == 0 ? nil : Content(Bytes(text(roll(300))))))])
            case 4:
                return .commit([.one(.fail(lease, Failure(message: text(roll(50)), code: "c"), retry: .after(.milliseconds(roll(900)))))])
            case 5: return .commit([.one(.fail(lease, Failure(message: "never"), retry: .never))])
            case 6:
                leases.append(lease)
                return .renew([
                    Renewal(identity.token(sequence: lease.sequence, fencing: lease.fencing), progress: JobProgress(fraction: 0.5))
                ])
            default:
                return .commit([
                    .one(.release(lease, PreparedRelease(delay: roll(2) == 0 ? nil : .milliseconds(roll(900)), isCounted: roll(2) == 0)))
                ])
            }
        case 31...33:
            guard let sequence = jobs.randomElement(using: &random) else { return .queues }
            let name = JobName(id: identity.jobID(sequence), sequence: sequence)
            switch roll(3) {
            case 0: return .commit([.one(.cancel(name))])
            case 1: return .commit([.one(.retry(name))])
            default: return .commit([.one(.forget(name))])
            }
        case 34, 35:
            let key = RecordKey("k\(roll(8))")
            if roll(2) == 0 { return .commit([.one(.add(addition(key)))]) }
            if roll(3) == 0 { return .commit([.one(.delete(key, expecting: .anything))]) }
            let lifetime: Duration? = roll(2) == 0 ? nil : .milliseconds(1 + roll(3_000))
            return .commit([.one(.put(key, value: Bytes(text(roll(200))), expecting: .anything, lifetime: lifetime))])
        case 36:
            var settings = QueueSettings()
            settings.dedupWindow = .milliseconds(500 + roll(4_000))
            settings.retention =
                roll(3) == 0
                ? .none : .keep(succeeded: .milliseconds(roll(4_000)), failed: .milliseconds(roll(9_000)), count: 5 + roll(60))
            return .configure(queue, settings, .anything)
        case 37: return .pause(queue, roll(2) == 0)
        case 38: return roll(3) == 0 ? .purge(queue) : .queues
        default: return roll(8) == 0 ? .delete(queue, purging: true) : .queues
        }
    }

    private mutating func message(_ queue: QueueName) -> MessageBox {
        var message = NewMessage(queue: queue, payload: Content(Bytes(text(1 + roll(400)))))
        message.priority = roll(3)
        message.maxAttempts = 1 + roll(3)
        if roll(4) == 0 { message.start = .after(.milliseconds(roll(3_000))) }
        if roll(8) == 0 { message.expires = .milliseconds(1 + roll(3_000)) }
        if roll(8) == 0 { message.timeout = .milliseconds(1_000 + roll(3_000)) }
        if roll(6) == 0 { message.deduplication = NewMessage.Deduplication(key: "key \(roll(20))") }
        if roll(4) == 0 {
            message.onFinal = [FollowUp(.add(addition(RecordKey("k\(roll(8))"))), when: roll(2) == 0 ? .all : [.succeeded, .cancelled])]
        }
        return MessageBox(message)
    }

    private mutating func addition(_ key: RecordKey) -> Addition {
        var addition = Addition(key: key, step: "\(roll(9))", amount: roll(3), target: 1 + roll(6))
        if roll(2) == 0 { addition.lifetime = .milliseconds(1 + roll(6_000)) }
        if roll(3) > 0 {
            let queue = queues[roll(4)]
            addition.then = [.enqueue(NewMessage(queue: queue, payload: Content(Bytes(text(roll(200))))))]
            if roll(3) == 0 { addition.then.append(.add(Addition(key: RecordKey("k\(roll(8))"), step: "x", target: 1 + roll(2)))) }
        }
        return addition
    }

    private func text(_ count: Int) -> String { String(repeating: "x", count: count) }
}
