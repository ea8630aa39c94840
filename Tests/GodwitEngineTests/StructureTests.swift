import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("The structures that the state is made of")
struct StructureTests {
    @Test("the ready line gives jobs by position, also those that came back, and gives its memory back")
    func ready() {
        var random = SplitMix64(seed: 5)
        var line = ReadyJobs(), model: [UInt64] = [], next: UInt64 = 1
        for _ in 0..<20_000 {
            switch random.next() % 5 {
            case 0, 1:
                line.insert(ReadyJob(position: next, sequence: next), priority: 0)
                model.append(next)
                next += 1
            case 2 where !model.isEmpty:
                let back = model.removeFirst()
                #expect(line.first?.position == back)
                line.removeFirst()
                line.insert(ReadyJob(position: back, sequence: back), priority: 0)
                model.insert(back, at: 0)
            default:
                #expect(line.first?.position == model.first)
                if !model.isEmpty {
                    line.removeFirst()
                    model.removeFirst()
                }
            }
        }
        #expect(line.count == model.count)
        line.compact { $0.position % 2 == 0 }
        #expect(line.count == model.count { $0 % 2 == 0 })
    }

    @Test("timers that mean nothing any more are gathered out when they are the most")
    func timers() {
        var timers = Timers()
        for time in 0..<5_000 as Range<Int64> {
            timers.insert(time, UInt64(time))
            if time % 4 != 0 { timers.noteStale() }
        }
        #expect(timers.needsCompacting)
        timers.compact { $0.subject % 4 == 0 }
        #expect(timers.count == 1_250 && !timers.needsCompacting && timers.first?.time == 0)
    }

    @Test("timers come in order, whatever the order in which they were set", arguments: UInt64(1)...4)
    func timersInOrder(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var model = (0..<3_000).map { Timer(time: Int64(random.next() % 500), subject: UInt64($0)) }
        var timers = Timers(Array(model[..<1_000]))
        for timer in model[1_000...] { timers.insert(timer.time, timer.subject) }
        model.sort()
        for (step, timer) in model.enumerated() {
            #expect(timers.first == timer && timers.count == model.count - step)
            timers.removeFirst()
            // An empty one is used again.
            if step == model.count - 1 { timers.insert(1, 2) }
        }
        #expect(timers.first == Timer(time: 1, subject: 2))
        timers.removeFirst()
        timers.removeFirst()
        #expect(timers.first == nil)
    }

    @Test("jobs per second of busy time: unknown for a second and for ten jobs, then the last 30 s")
    func throughput() {
        var throughput = Throughput()
        throughput.note(0, isBusy: true)
        for second in 1...9 as ClosedRange<Int64> { throughput.jobsEnded(1, at: second * 100) }
        throughput.note(999, isBusy: true)
        #expect(throughput.jobsPerSecond == nil)
        throughput.jobsEnded(1, at: 1_000)
        #expect(throughput.jobsPerSecond == 10)
        // Idle time does not count, nor what ends in it.
        throughput.note(1_000, isBusy: false)
        throughput.jobsEnded(50, at: 500_000)
        throughput.note(500_000, isBusy: true)
        #expect(throughput.jobsPerSecond == 10)
        // A slower rate takes over within 30 s of busy time.
        for second in 1...60 as ClosedRange<Int64> { throughput.jobsEnded(2, at: 500_000 + second * 1_000) }
        #expect(throughput.jobsPerSecond == 2)
    }

    @Test("a paused queue and an hour without an end spoil no rate for long")
    func idleThroughput() {
        var throughput = Throughput()
        throughput.note(0, isBusy: true)
        for step in 1...600 as ClosedRange<Int64> { throughput.jobsEnded(1, at: step * 100) }
        #expect(throughput.jobsPerSecond == 10)
        // An hour in which a job was stuck is no memory, however often it is looked at.
        for step in 1...3_600 as ClosedRange<Int64> { throughput.note(60_000 + step * 1_000, isBusy: true) }
        #expect(throughput.sliceCount < 100)
        let later: Int64 = 60_000 + 3_600_000
        for step in 1...150 as ClosedRange<Int64> { throughput.jobsEnded(1, at: later + step * 100) }
        #expect(throughput.jobsPerSecond.map { abs($0 - 5) < 0.2 } == true)

        var queue = QueueState(name: .work, settings: QueueSettings(), change: 0)
        queue.counts.queued = 1
        queue.counts.running = 1
        #expect(queue.isBusy)
        queue.isPaused = true
        #expect(!queue.isBusy)
    }

    @Test("a refusal says how long workers need for the jobs that they can have, not for scheduled ones")
    func retryAfter() {
        var settings = QueueSettings()
        settings.maxJobs = 1_000
        var queue = QueueState(name: .work, settings: settings, change: 0)
        queue.throughput.note(0, isBusy: true)
        for step in 1...20 as ClosedRange<Int64> { queue.throughput.jobsEnded(1, at: step * 100) }
        queue.counts.queued = 990
        queue.counts.running = 10
        #expect(queue.retryAfter() == .seconds(10))
        queue.counts.queued = 40
        queue.counts.scheduled = 950
        #expect(queue.retryAfter() == .seconds(5))
    }

    @Test("an array in chunks is one, and what a copy of it holds stays as it was")
    func chunkedArray() {
        var array = ChunkedArray<Int>()
        #expect(array.indices.isEmpty)
        for number in 0..<1_300 { array.append(number) }
        let copy = array
        for index in array.indices where index % 3 == 0 { array[index] = -index }
        array.append(7)
        var emptied = copy
        #expect((0..<1_300).reversed().allSatisfy { emptied.removeLast() == $0 } && emptied.count == 0)
        for number in 0..<600 { emptied.append(number) }
        #expect(emptied.indices.map { emptied[$0] } == Array(0..<600))
        #expect(copy.indices.map { copy[$0] } == Array(0..<1_300))
        #expect(array.indices.map { array[$0] } == (0..<1_300).map { $0 % 3 == 0 ? -$0 : $0 } + [7])
    }

    @Test("a line of callers keeps its order, whoever leaves it")
    func waitingLine() {
        var line = WaitingLine()
        for ticket in 1...1_000 as ClosedRange<UInt64> { line.append(ticket) }
        for ticket in 1...1_000 as ClosedRange<UInt64> where ticket % 100 != 0 { line.remove(ticket) }
        line.remove(5)
        #expect(line.count == 10 && line.first == 100)
        line.remove(100)
        line.append(7_000)
        #expect(line.takeAll() == [200, 300, 400, 500, 600, 700, 800, 900, 1_000, 7_000])
        #expect(line.count == 0 && line.first == nil)
    }

    @Test("a signal is not lost, wakes once, and a wait for it ends in time")
    func signal() {
        let signal = Signal()
        signal.raise()
        signal.raise()
        signal.wait(milliseconds: nil)
        let start = ContinuousClock.now
        signal.wait(milliseconds: 50)
        let waited = ContinuousClock.now - start
        #expect(waited >= .milliseconds(49) && waited < .seconds(10))
        signal.wait(milliseconds: 0)
        signal.wait(milliseconds: -1)
        let thread = WorkThread(name: "test")
        thread.run { signal.raise() }
        signal.wait(milliseconds: nil)
        thread.stop()
    }

    @Test("names that differ in bytes are different ones")
    func names() {
        #expect(QueueName.name("\u{e9}") != QueueName.name("e\u{301}"))
        #expect(Set([QueueName.name("\u{e9}"), QueueName.name("e\u{301}")]).count == 2)
        #expect(RecordKey("\u{e9}") != RecordKey("e\u{301}") && HolderID("\u{e9}") != HolderID("e\u{301}"))
    }

    @Test("ids and tokens read back, and only with their own store's secret")
    func identity() {
        let mine = StoreIdentity(incarnation: 7, k0: 1, k1: 2), other = StoreIdentity(incarnation: 7, k0: 1, k1: 3)
        for sequence in [1, 512, 0xffff_ffff_ffff] as [UInt64] {
            let id = mine.jobID(sequence), token = mine.token(sequence: sequence, fencing: .max)
            #expect(mine.sequence(of: id) == sequence && other.sequence(of: id) == nil)
            #expect(mine.lease(of: token) == LeaseName(sequence: sequence, fencing: .max) && other.lease(of: token) == nil)
            #expect(id.description.utf8.count <= 64 && token.description.utf8.count <= 128)
            #expect((id.description + token.description).allSatisfy { $0.isASCII && ($0.isNumber || $0.isLowercase) })
            #expect(mine.lease(of: LeaseToken(id.description)) == nil)
        }
    }
}
