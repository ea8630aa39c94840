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
        if let answers = try? Wire.decodeAnswers(bytes) { repeats(Wire.encode(answers)) { try Wire.encode(Wire.decodeAnswers($0)) } }
        if let calls = try? Wire.decodeCalls(bytes) { repeats(Wire.encode(calls)) { try Wire.encode(Wire.decodeCalls($0)) } }
        if let watches = try? Wire.decodeWatches(bytes) { repeats(Wire.encode(watches)) { try Wire.encode(Wire.decodeWatches($0)) } }
        _ = try? Wire.decodeRenewals(bytes)
        _ = try? Wire.decodeError(bytes)
        var stream = WatchStreamReader()
        stream.add(bytes.slice)
        while let event = try? stream.next() { _ = event }
    }

    /// What was read and is written once more reads and writes as the same: else something was read that cannot be said.
    private static func repeats(_ written: [UInt8], _ again: (Bytes) throws -> [UInt8]) {
        precondition((try? again(Bytes(written))) == written, "a document does not read as it was written")
    }
}
