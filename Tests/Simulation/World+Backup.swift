import GodwitCore
import GodwitEngine
import GodwitJournal

/// A backup that is being read.
struct RunningBackup {
    var source: BackupSource
    /// What was there at its moment.
    var model: Model
    var pieces: [[UInt8]] = []
}

/// Backups while the store goes on, and what is restored from them, with faults and crashes in both.
extension World {
    func beginBackup(_ moment: JournalSnapshot, _ ticket: UInt64) {
        guard let model = reference.backups.removeValue(forKey: ticket) else { return }
        backup = RunningBackup(source: BackupSource(moment, created: Timestamp(milliseconds: wall)), model: model)
    }

    /// Reads a backup on, beside the store; one that is whole is restored on the side.
    func goOnWithBackup() throws {
        guard let running = backup, !storage.isStopped else { return }
        let phase = storage.phase
        storage.phase = .backup
        defer { storage.phase = phase }
        var isTroubled = false
        let next: Result<[UInt8]?, JournalError>
        // What is planned for the engine must not meet it, nor the other way round.
        switch roll(20) {
        case 0 where has(.errors):
            isTroubled = true
            next = storage.withFault({ $0.fail(.read, at: 1) }, running.source.next)
        case 1 where has(.short): next = storage.withFault({ $0.shorten(.read, at: 1, to: 1 + roll(5_000)) }, running.source.next)
        default: next = storage.withoutFaults(running.source.next)
        }
        switch next {
        case .success(let piece?): backup?.pieces.append(piece)
        case .success(nil):
            backup = nil
            storage.phase = phase
            try restore(running)
        case .failure(let error):
            guard isTroubled else { throw Finding("a backup cannot be read: \(error)") }
            backup = nil
        }
    }

    private func restore(_ backup: RunningBackup) throws {
        say("restoring a backup of \(backup.pieces.count) pieces")
        statistics.restores += 1
        let original = storage, saved = reference, mayFailBefore = mayFail
        let running = engine.take()
        storage = MemoryStorage(name: "restored")
        storage.phase = .restore
        var isWhole = false
        for attempt in 0..<4 where !isWhole { isWhole = try restoreOnce(backup, isTroubled: attempt < 3 && chance(60)) }
        guard isWhole else { throw Finding("a backup cannot be restored") }
        reference = try matched((backup.model, []), isRestored: true)
        try readEverything()
        try observe()
        engine?.close()
        engine = nil
        statistics.add(storage.hits)
        storage = original
        reference = saved
        mayFail = mayFailBefore
        engine = running
    }

    /// Whether the backup is restored, and open.
    private func restoreOnce(_ backup: RunningBackup, isTroubled: Bool) throws -> Bool {
        let trouble = isTroubled ? armRestoreTrouble() : nil
        let before = storage.hits
        do {
            let restoration = try StoreRestoration.begin(in: storage)
            do {
                for piece in backup.pieces { try restoration.add(piece[...]) }
                engine = try SteppedEngine.open(storage, options: restoration.release(openingOptions()), at: instant)
                storage.heal()
                storage.capacity = nil
                return true
            } catch {
                if chance(40) { restoration.abandon() }
                throw error
            }
        } catch {
            guard let trouble, storage.hits != before else { throw Finding("a backup cannot be restored: \(error)") }
            say("  restoring while \(trouble): \(error)")
        }
        wasOpeningCutOff = true
        storage.heal()
        storage.capacity = nil
        statistics.add(storage.hits)
        storage = has(.power) && chance(60) ? storage.crash(seed: random.next()) : storage.kill()
        storage.phase = .restore
        return try openUnfinished()
    }

    private func armRestoreTrouble() -> String? {
        switch roll(6) {
        case 0 where has(.kills) || has(.power):
            storage.stop(at: 1 + roll(40))
            return "all calls fail from some one on"
        case 1 where has(.errors):
            storage.fail(pick([.write, .sync, .syncDirectory, .create, .list, .delete, .read]) ?? .write, at: 1 + roll(5))
            return "a call fails"
        case 2 where has(.full):
            storage.capacity = roll(4) * options.segmentBytes
            return "the disk is full"
        case 3 where has(.full):
            storage.failAnyCall(at: 1 + roll(30), errno: 28)
            return "a call finds no room"
        case 4 where has(.short):
            storage.transferLimit = 512 + roll(60_000)
            return nil
        default: return nil
        }
    }

    /// What a restoration that was cut off left is nothing, or refused, or the whole store; whether it is that.
    private func openUnfinished() throws -> Bool {
        let names = Set(storage.files)
        guard !names.isEmpty else { return false }
        let untouched = storage.kill()
        do throws(BrokerError) {
            engine = try SteppedEngine.open(storage, options: openingOptions(), at: instant)
            return true
        } catch {
            guard error.code == .restoreUnfinished else { throw Finding("an unfinished restoration is refused as \(error)") }
        }
        storage = untouched
        storage.phase = .restore
        return false
    }
}
