/// Decodes a record's header as replay does, wherever it comes from: what fuzzers feed. Nothing but a typed error may come of any input.
package enum RecordDecoding {
    /// - Parameter input: the record's kind, the length of its body in two bytes, then its header.
    package static func record(_ input: UnsafeRawBufferPointer) {
        guard input.count >= 3 else { return }
        let bodyBytes = Int(input[1]) | Int(input[2]) << 8
        do throws(RecordError) {
            let header = UnsafeRawBufferPointer(rebasing: input[3...])
            guard let (stamp, change) = try Change.decode(kind: input[0], header: header, bodyBytes: bodyBytes) else { return }
            // What was decoded can be encoded, and means the same then.
            var writer = RecordWriter()
            change.encode(stamp, into: &writer)
            let again = try writer.bytes.withBytes { bytes throws(RecordError) in
                try Change.decode(kind: input[0], header: bytes, bodyBytes: bodyBytes)
            }
            precondition(again?.0 == stamp, "what was encoded is not decoded to the same")
        } catch {
            // refused, as it may be
        }
    }

    /// Decodes what follows an end as its body says it.
    package static func followUps(_ input: UnsafeRawBufferPointer) {
        guard let followUps = try? FollowUpCoding.decode(input) else { return }
        let again = try? FollowUpCoding.encode(followUps).withBytes { bytes throws(RecordError) in try FollowUpCoding.decode(bytes) }
        precondition(again?.count == followUps.count, "what was encoded is not decoded to the same")
    }
}
