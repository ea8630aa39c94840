import GodwitCore
import GodwitJournal
import Logging

/// How the space of what has ended comes back: segments in which nothing is needed are used again, and what is needed in those that are
/// mostly empty is moved out of them.
extension EngineCore {
    /// Gives segments back in which nothing is needed any more.
    mutating func reclaimDead() {
        guard failure == nil else { return }
        let dead = journal.reclaimable.filter { state.use[$0].things == 0 }
        guard !dead.isEmpty else { return }
        journal.reclaim(dead)
        // Answers that were given out before keep the segments; those that are given out from now on do not point there.
        pin = journal.pin()
        if let victim, dead.contains(victim.segment) { self.victim = nil }
    }

    /// Whether a segment is being emptied.
    var isMoving: Bool { victim != nil }

    /// Begins to look for what is to be moved, or goes on with it; nil when there is nothing to move, a scan is under way, or it is not time.
    mutating func beginScan() -> MoveScan? {
        guard failure == nil, !isScanning, instant.boot >= noScanBefore else { return nil }
        if victim == nil { victim = nextVictim().map { (segment: $0, offset: 0) } }
        guard let victim else { return nil }
        isScanning = true
        return MoveScan(reader: journal.reader, segment: victim.segment, offset: victim.offset, pin: journal.pin())
    }

    /// Moves what was found and is still needed.
    mutating func endScan(_ result: MoveScan.Result) {
        isScanning = false
        guard failure == nil, let victim, victim.segment == result.segment else { return }
        if let failure = result.failure { return giveUp(on: victim.segment, "\(failure)") }
        var moved = 0
        do {
            for move in result.moves where state.isLive(move.thing, at: move.from) {
                try record(.moved(move), for: .move)
                moved += move.header.count + move.body.count
            }
            // What a job's version says does not change, so that it may be answered at once: it must be readable where it is now.
            if moved > 0 { try journal.write() }
        } catch {
            note(error)
            noScanBefore = instant.boot + Self.noSpaceDelay
            if failure == nil, moved > 0 {
                do { try journal.write() } catch { note(error) }
            }
            // The same part is looked at again.
            return
        }
        // So much a second, that publishing does not feel it. Nothing is waited for where what is published outruns that, which would let the
        // store grow for ever; on a full disk; and on a clock that stands still.
        let delay = Int64(moved) * 1_000 / Self.movedPerSecond
        if options.clock.runsByItself, !isFarBehind, !journal.refuses(.publish) {
            // What was not used a moment ago may be used now: the thread is not woken for every millisecond.
            noScanBefore = max(noScanBefore, instant.boot - Self.moveBurst) + delay
        }
        if let next = result.next {
            self.victim = (victim.segment, next)
        } else {
            self.victim = nil
            let left = state.use[victim.segment].things
            if left > 0 { giveUp(on: victim.segment, "\(left) records that are needed are not there") }
            reclaimDead()
        }
    }

    private mutating func giveUp(on segment: UInt32, _ why: String) {
        victim = nil
        unmovable.insert(segment)
        options.logger.error(
            "a segment cannot be emptied, so its space does not come back: run `godwit check`",
            metadata: ["segment": "\(segment)", "error": "\(why)"]
        )
    }

    private static let movedPerSecond: Int64 = 64 << 20
    private static let moveBurst: Int64 = 50

    /// The segment that is worth emptying most, if one is.
    private func nextVictim() -> UInt32? {
        var best: (segment: UInt32, part: Double)?
        for space in journal.reclaimableSpaces where !unmovable.contains(space.number) {
            let use = state.use[space.number]
            guard use.things > 0 else { continue }
            let part = Double(use.bytes) / Double(space.capacity)
            if part < best?.part ?? Self.fullest { best = (space.number, part) }
        }
        guard let best else { return nil }
        // One that is nearly empty is always worth it; the others as soon as the store takes much more than it holds.
        return best.part < Self.nearlyEmpty || takes(moreThan: Self.wanted) || journal.refuses(.publish) ? best.segment : nil
    }

    private var isFarBehind: Bool { takes(moreThan: Self.much) }

    /// Whether the segments in use take more than so many times what lives in them, the current one and the next left out.
    private func takes(moreThan times: Double) -> Bool {
        Double((journal.segments.count - 2) * options.segmentBytes) > Double(state.use.total.bytes) * times
    }

    /// What the segments may take of what lives in them, and what is so much that emptying them cannot wait.
    private static let wanted = 1.5
    private static let much = 1.75

    /// Emptying fuller ones would give little back.
    static let fullest = 0.9
    private static let nearlyEmpty = 0.125
}
