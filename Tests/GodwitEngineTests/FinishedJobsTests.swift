import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Ended jobs in the order in which their retention ends")
struct FinishedJobsTests {
    @Test("those that left out of their turn are gathered out when they are the most")
    func gathered() {
        var finished = FinishedJobs()
        for sequence in 1...10_000 as ClosedRange<UInt64> {
            _ = finished.append(FinishedJob(sequence: sequence, ended: Int64(sequence)), kept: 0)
            if sequence % 10 != 0 { finished.remove(sequence, isBelated: false) }
        }
        #expect(finished.count == 1_000 && finished.total < 5_000)
        #expect(finished.oldest(upTo: 35, limit: 10).map(\.sequence) == [10, 20, 30])
    }

    @Test("jobs whose end is met late stand in the order of their ends")
    func belated() {
        var finished = FinishedJobs(), late: [UInt64] = []
        for (sequence, ended) in [(1, 100), (2, 200), (3, 50), (4, 60), (5, 300)] as [(UInt64, Int64)] {
            if finished.append(FinishedJob(sequence: sequence, ended: ended), kept: 0) { late.append(sequence) }
        }
        #expect(late == [3, 4])
        #expect(finished.oldestEnd == 50)
        #expect(finished.oldest(upTo: 150, limit: 10).map(\.sequence) == [3, 4, 1])
        #expect(finished.oldest(upTo: .max, limit: 2).map(\.sequence) == [3, 4])
        #expect(finished.oldest(upTo: 10, limit: 2).isEmpty)
        finished.remove(3, isBelated: true)
        #expect(finished.oldestEnd == 60 && finished.count == 4)
    }

    @Test("belated ones stand in a line for each purge, however they are met, and take 4 bytes each and little more")
    func belatedLines() {
        var finished = FinishedJobs()
        _ = finished.append(FinishedJob(sequence: 1, ended: 10_000), kept: 0)
        // The second purge's are met among the first one's, and some out of their order.
        let count: UInt64 = 100_000
        for sequence in 2...count {
            let at = sequence % 1_000 == 0 ? count * 2 - sequence : sequence
            let isBelated = finished.append(FinishedJob(sequence: at, ended: sequence % 100 == 0 ? 300 : 200), kept: 0)
            #expect(isBelated)
        }
        #expect(finished.belatedLines == 2 && finished.bytes < Int(count) * 5)
        var passed = 0
        while true {
            let oldest = finished.oldest(upTo: 250, limit: 500)
            guard !oldest.isEmpty else { break }
            passed += oldest.count
            for job in oldest { finished.remove(job.sequence, isBelated: true) }
        }
        #expect(passed == 98_999 && finished.count == 1_001 && finished.oldestEnd == 300)
    }

    @Test("a belated one that leaves, and is belated again, stands there once, where it came last")
    func belatedAgain() {
        var finished = FinishedJobs()
        _ = finished.append(FinishedJob(sequence: 9, ended: 100), kept: 0)
        for (sequence, ended) in [(1, 10), (2, 10), (3, 10)] as [(UInt64, Int64)] {
            _ = finished.append(FinishedJob(sequence: sequence, ended: ended), kept: 0)
        }
        finished.remove(2, isBelated: true)
        _ = finished.append(FinishedJob(sequence: 2, ended: 20), kept: 0)
        #expect(finished.oldest(upTo: .max, limit: 9).map(\.sequence) == [1, 3, 2, 9] && finished.count == 4)
        finished.remove(2, isBelated: true)
        #expect(finished.oldest(upTo: .max, limit: 9).map(\.sequence) == [1, 3, 9] && finished.count == 3)
    }

    @Test("ends that lie together, measured by how long they are kept, have one time: never an earlier one")
    func precision() {
        var finished = FinishedJobs()
        for sequence in 1...10 as ClosedRange<UInt64> {
            _ = finished.append(FinishedJob(sequence: sequence, ended: Int64(sequence) * 100), kept: 1_024 * 300)
        }
        #expect(finished.oldest(upTo: 399, limit: 10).isEmpty)
        #expect(finished.oldest(upTo: 400, limit: 10).map(\.sequence) == [1, 2, 3, 4])
        #expect(finished.oldest(upTo: 999, limit: 10).map(\.sequence) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("4 bytes each and little more, at any rate")
    func memory() {
        for gap in [0, 1, 50] as [Int64] {
            var finished = FinishedJobs()
            let count: UInt64 = 200_000
            for sequence in 1...count {
                _ = finished.append(FinishedJob(sequence: sequence, ended: Int64(sequence) * gap), kept: 86_400_000)
            }
            #expect(finished.bytes < Int(count) * 5, "a gap of \(gap) ms")
        }
    }

    @Test("as a plain list does, whatever leaves and comes again", arguments: UInt64(1)...8)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var finished = FinishedJobs(), model: [(job: FinishedJob, isBelated: Bool)] = [], now: Int64 = 0, next: UInt64 = 1
        var free: [UInt64] = []
        for _ in 0..<6_000 {
            switch random.next() % 8 {
            case 0...3:
                now += Int64(random.next() % 3)
                let sequence: UInt64
                if !free.isEmpty, random.next() % 3 == 0 {
                    sequence = free.removeLast()
                } else {
                    sequence = next
                    next += 1
                }
                let job = FinishedJob(sequence: sequence, ended: random.next() % 10 == 0 ? now / 2 : now)
                model.append((job, finished.append(job, kept: 0)))
            case 4, 5:
                guard !model.isEmpty else { continue }
                let gone = model.remove(at: Int(random.next() % UInt64(model.count)))
                finished.remove(gone.job.sequence, isBelated: gone.isBelated)
                free.append(gone.job.sequence)
            default:
                let time = Int64(random.next() % UInt64(now + 2)), limit = Int(random.next() % 20)
                let oldest = finished.oldest(upTo: time, limit: limit)
                let expected = model.map(\.job.ended).filter { $0 <= time }.sorted().prefix(limit)
                #expect(oldest.map(\.ended) == Array(expected))
                for job in oldest {
                    guard let index = model.firstIndex(where: { $0.job == job }) else {
                        Issue.record("a job that is not there: \(job)")
                        return
                    }
                    finished.remove(job.sequence, isBelated: model[index].isBelated)
                    free.append(job.sequence)
                    model.remove(at: index)
                }
            }
            #expect(finished.count == model.count)
        }
        #expect(finished.oldestEnd == model.map(\.job.ended).min())
    }
}
