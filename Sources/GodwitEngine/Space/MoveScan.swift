import GodwitCore
import GodwitJournal

/// A look at a part of a segment for what may have to be moved out of it: ``run()`` it on any thread, then give the result to
/// ``EngineCore/endScan(_:)``.
package struct MoveScan: Sendable {
    /// Records that somebody may still need, in the order in which they lie.
    package struct Result: Sendable {
        let segment: UInt32
        var moves: [Move] = []
        /// Where the next scan goes on; nil at the end of the segment.
        var next: Int?
        var failure: BrokerError?
    }

    let reader: JournalReader
    let segment: UInt32
    let offset: Int
    /// Keeps the segment's file from being used again meanwhile.
    let pin: JournalPin

    static let bytes = 1 << 20

    package func run() -> Result {
        var result = Result(segment: segment)
        do {
            result.next = try reader.forEachRecord(of: segment, from: offset, atMost: Self.bytes) { record in
                do throws(RecordError) {
                    if let move = try Move(record) { result.moves.append(move) }
                } catch {
                    throw BrokerError(error, at: record.location, in: reader.folder)
                }
            }
        } catch {
            result.failure =
                (error as? BrokerError) ?? (error as? JournalError).map { BrokerError($0) }
                ?? BrokerError(.storeFailed, "a segment could not be read: \(error)", cause: error)
        }
        return withExtendedLifetime(pin) { result }
    }
}

extension Move {
    /// How a record would be moved; nil for one that nobody can need.
    fileprivate init?(_ record: borrowing ReplayedRecord) throws(RecordError) {
        var kind = record.kind, header = record.header
        if kind == RecordKind.moved.rawValue {
            let start: Int
            (kind, start) = try Change.movedKind(header)
            header = UnsafeRawBufferPointer(rebasing: header[start...])
        }
        guard let thing = try MovedThing(kind: kind, header: header) else { return nil }
        self.init(from: record.location, thing: thing, kind: kind, header: Array(header), body: Bytes(Array(record.body)))
    }
}
