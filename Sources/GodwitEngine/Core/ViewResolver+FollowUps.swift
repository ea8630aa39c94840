import GodwitCore
import GodwitJournal

extension ViewResolver {
    /// The bodies of leased messages, in their order, without what follows their ends.
    func bodies(of batch: LeasedBatch) throws(BrokerError) -> RecordBodies {
        var bodies: RecordBodies
        do { bodies = try reader.bodies(at: batch.items.map(\.message)) } catch { throw BrokerError(error) }
        for index in batch.followed { bodies.shorten(index, by: try followUpBytes(at: batch.items[index].message)) }
        return bodies
    }

    /// How many of the last bytes of a message's body are not its payload.
    func followUpBytes(at location: RecordLocation) throws(BrokerError) -> Int {
        let header: JournalReader.Record
        do { header = try reader.header(at: location) } catch { throw BrokerError(error) }
        return try message(.success(header), at: location).job.onFinalBytes
    }

    /// What follows a job's end, or a full counter, as the record at a location says it.
    func followUps(at location: RecordLocation) throws(BrokerError) -> [FollowUp] {
        let record = try read(location)
        var bytes = record.body[...]
        if record.kind == RecordKind.published.rawValue {
            let job = try message(.success(record), at: location).job
            bytes = bytes.suffix(job.onFinalBytes)
        } else if record.kind != RecordKind.added.rawValue {
            throw Self.unexpected("what follows an end")
        }
        return try decode(location) { () throws(RecordError) in
            try Array(bytes).withBytes { bytes throws(RecordError) in try FollowUpCoding.decode(bytes) }
        }
    }
}
