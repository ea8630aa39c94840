import GodwitCore
import GodwitEngine
import GodwitJournal

/// Bits that flip while the store is closed.
extension World {
    /// Opens a copy in which bits flipped: it refuses, or goes on with everything that was synced for a second.
    func tryFlip() throws {
        let (original, saved) = (storage, reference)
        defer {
            storage = original
            reference = saved
            engine = nil
        }
        storage = original.kill()
        storage.heal()
        // With the newest of two checkpoints damaged the older one stands for it: then nothing is excused.
        let checkpoints = storage.files.filter { $0.hasPrefix("checkpoint-") }
        let isCheckpoint = checkpoints.count > 1 && chance(30)
        var places: [String] = []
        for _ in 0...(isCheckpoint ? 0 : roll(2)) {
            let file = isCheckpoint ? checkpoints.last : pick(storage.files.filter { !$0.hasPrefix("cut-") })
            guard let file, let bytes = storage.contents(of: file), !bytes.isEmpty else { continue }
            if chance(20), storage.replaceBody(of: file, at: roll(bytes.count / 4_096) * 4_096) {
                places.append("\(file), a body")
                continue
            }
            // Checkpoints have what they list in any order: how often this draws must not tell on what follows.
            var draws = SplitMix64(seed: random.next())
            var offset = Int.random(in: 0..<bytes.count, using: &draws)
            for _ in 0..<64 where bytes[offset] == 0 { offset = .random(in: 0..<bytes.count, using: &draws) }
            storage.flip(1 << UInt8(roll(8)), of: file, at: offset)
            places.append("\(file):\(offset)")
        }
        say("flipping bits at \(places)")
        let told = errors.count
        defer {
            for place in places { statistics.hits[StorageHit(place.hasSuffix("body") ? .replacedBody : .flip, .recovery), default: 0] += 1 }
        }
        do throws(BrokerError) {
            engine = try SteppedEngine.open(storage, options: openingOptions(), at: instant)
        } catch {
            guard error.code == .storeCorrupt, !isCheckpoint else {
                throw Finding("with bits flipped at \(places) the store does not open: \(error)")
            }
            statistics.flipsRefused += 1
            return
        }
        statistics.flipsHarmless += 1
        let offset = engineOffset, wasTight = wasTight
        defer {
            engineOffset = offset
            self.wasTight = wasTight
        }
        // What was synced just before may be gone, and the time that it says with it.
        self.wasTight = true
        do {
            guard let found = try matchedUnlessDamaged(reference.candidates(afterFlip: !isCheckpoint), told) else { return }
            reference = found
            try readDamaged()
        } catch let finding as Finding {
            if trace != nil { dump() }
            throw Finding("with bits flipped at \(places): \(finding)")
        }
    }

    /// Every payload and result is what it should be, or is refused as damaged.
    private func readDamaged() throws {
        var requests: Tickets = []
        for job in jobsToRead {
            guard let id = reference.knowledge.ids[job.number] else { continue }
            requests.append(ticket(.payload(id)))
            if job.state == .succeeded { requests.append(ticket(.result(id))) }
        }
        reference.turn(requests, at: instant)
        for (ticket, reply) in try ask(requests) {
            if case .refused(let error) = reply, error.code == .storeCorrupt {
                reference.open[ticket] = nil
            } else {
                try reference.receive(ticket, reply, mayFail: false)
            }
        }
    }

    /// Nil when what flipped was noticed: a job without its name, or a record that is refused.
    private func matchedUnlessDamaged(_ candidates: (base: Model, units: [ModelUnit]), _ told: Int) throws -> Reference? {
        do { return try matched(candidates, isFlipped: true) } catch {
            // The operator was told, of a message that has no dead letter because it cannot be read, say.
            if errors.count > told { return nil }
            for (_, reply) in try ask(observation()) {
                switch reply {
                case .refused(let error) where error.code == .storeCorrupt: return nil
                case .page(let page):
                    let isNoticed = page.jobs.contains { job in
                        job.name == nil && (wasNamed(job) || isWithoutMessage(job))
                            || job.errors.contains { $0.code == FailureCode.unreadable }
                    }
                    if isNoticed { return nil }
                default: break
                }
            }
            throw error
        }
    }

    /// A job that was published with a name.
    private func wasNamed(_ job: JobSnapshot) -> Bool {
        guard let number = reference.knowledge.numbers[job.id] else { return true }
        return reference.live.job(number).map { $0.message.name != nil } ?? true
    }

    /// When a message was published cannot be known without it: then it is when it was started, or nothing.
    private func isWithoutMessage(_ job: JobSnapshot) -> Bool { job.createdAt.milliseconds == job.startedAt?.milliseconds ?? 0 }
}
