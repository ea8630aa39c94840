import GodwitCore
import GodwitJournal
import Logging

/// Messages as the journal has them.
extension ViewResolver {
    /// What the record of a message says.
    struct Message {
        var stamp: Stamp
        var job: Publication
        var stored: StoredMessage
        var payload: Content
    }

    /// A message with its payload.
    func message(at location: RecordLocation) throws(BrokerError) -> Message { try message(.success(try read(location)), at: location) }

    typealias ReadRecord = Result<JournalReader.Record, JournalError>

    /// Reads records together; when one of them cannot be read, each alone.
    func read(
        _ locations: [RecordLocation],
        _ together: ([RecordLocation]) throws(JournalError) -> [JournalReader.Record],
        _ alone: (RecordLocation) throws(JournalError) -> JournalReader.Record
    ) -> [ReadRecord] {
        if locations.isEmpty { return [] }
        if let records = try? together(locations) { return records.map { .success($0) } }
        return locations.map { location in
            do throws(JournalError) { return .success(try alone(location)) } catch { return .failure(error) }
        }
    }

    /// The message of a job; nil, and told to the operator, when it cannot be read.
    func recordedMessage(_ record: ReadRecord, of view: JobView) -> Message? {
        do throws(BrokerError) { return try message(record, at: view.message) } catch {
            logger.error(
                "a job's record cannot be read: it is shown without its name",
                metadata: ["job": "\(identity.jobID(view.sequence))", "error": "\(error)"]
            )
            return nil
        }
    }

    func message(_ record: ReadRecord, at location: RecordLocation) throws(BrokerError) -> Message {
        let record = try found(record)
        guard record.kind == RecordKind.published.rawValue else { throw Self.unexpected("a job's message") }
        let (stamp, job, stored) = try decode(location) { () throws(RecordError) in try record.header.withBytes(Change.message(header:)) }
        let payload = record.body.dropLast(job.onFinalBytes)
        return Message(stamp: stamp, job: job, stored: stored, payload: Content(Bytes(payload), type: stored.contentType))
    }

    func found(_ record: ReadRecord) throws(BrokerError) -> JournalReader.Record {
        do throws(JournalError) { return original(try record.get()) } catch { throw BrokerError(error) }
    }

    /// A record as it was written first. One that is moved and malformed stays as it is: then it is not what is expected.
    func original(_ record: JournalReader.Record) -> JournalReader.Record {
        do throws(RecordError) { return try record.original() } catch { return record }
    }
}
