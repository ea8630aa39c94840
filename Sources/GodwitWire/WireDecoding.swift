package import GodwitCore

/// For fuzzers: reads whatever bytes come as every document there is.
package enum WireDecoding {
    package static func document(_ buffer: UnsafeRawBufferPointer) { document(Bytes(Array(buffer))) }

    package static func document(_ bytes: Bytes) {
        if let request = try? Wire.decodeCommit(bytes) { repeats(Wire.encode(request)) { try Wire.encode(Wire.decodeCommit($0)) } }
        if let outcomes = try? Wire.decodeOutcomes(bytes) { repeats(Wire.encode(outcomes)) { try Wire.encode(Wire.decodeOutcomes($0)) } }
        if let request = try? Wire.decodeLease(bytes) { repeats(Wire.encode(request)) { try Wire.encode(Wire.decodeLease($0)) } }
        if let jobs = try? Wire.decodeDeliveries(bytes) { repeats(Wire.encode(jobs)) { try Wire.encode(Wire.decodeDeliveries($0)) } }
        if let request = try? Wire.decodeRenew(bytes) { repeats(Wire.encode(request)) { try Wire.encode(Wire.decodeRenew($0)) } }
        if let renewals = try? Wire.decodeRenewals(bytes) { repeats(Wire.encode(renewals)) { try Wire.encode(Wire.decodeRenewals($0)) } }
        if let answers = try? Wire.decodeAnswers(bytes) { repeats(Wire.encode(answers)) { try Wire.encode(Wire.decodeAnswers($0)) } }
        if let calls = try? Wire.decodeCalls(bytes) { repeats(Wire.encode(calls)) { try Wire.encode(Wire.decodeCalls($0)) } }
        if let watches = try? Wire.decodeWatches(bytes) { repeats(Wire.encode(watches)) { try Wire.encode(Wire.decodeWatches($0)) } }
        if let error = try? Wire.decodeError(bytes) { repeats(Wire.encode(error)) { try Wire.encode(Wire.decodeError($0)) } }
        stream(bytes)
    }

    /// What was read and is written once more reads and writes as the same: else something was read that cannot be said.
    private static func repeats(_ written: [UInt8], _ again: (Bytes) throws -> [UInt8]) {
        precondition((try? again(Bytes(written))) == written, "a document does not read as it was written")
    }

    /// However a stream is cut, the same is read from it.
    private static func stream(_ bytes: Bytes) {
        let whole = events(in: [bytes.slice])
        // The bytes themselves say where.
        let cut = bytes.slice.startIndex + Int(bytes.slice.last ?? 0) * bytes.count / 256
        let parts = events(in: [bytes.slice[..<cut], bytes.slice[cut...]])
        precondition(parts == whole, "a stream that was cut reads otherwise")
        guard !whole.isEmpty else { return }
        let again = events(in: [(WatchStreamWriter.preamble + whole.flatMap(\.self))[...]])
        precondition(again == whole, "a stream does not read as it was written")
    }

    /// The events that can be read, each as it is written.
    private static func events(in pieces: [ArraySlice<UInt8>]) -> [[UInt8]] {
        var stream = WatchStreamReader(), events: [[UInt8]] = []
        for piece in pieces {
            stream.add(piece)
            do { while let event = try stream.next() { events.append(WatchStreamWriter.frame(event)) } } catch { break }
        }
        return events
    }
}
