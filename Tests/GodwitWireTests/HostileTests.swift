import GodwitCore
import Testing

@testable import GodwitWire

/// Whatever bytes come, they are read or refused; nothing crashes, and nothing takes memory that the bytes do not justify.
@Suite struct HostileTests {
    @Test("a commit that is cut anywhere but between transactions is refused", arguments: 1...20 as ClosedRange<UInt64>)
    func cut(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let sample = samples.commit()
        let whole = Wire.encode(CommitRequest(sample.transactions, in: sample.session))
        var good: Set<Int> = [WireFormat.preambleBytes]
        var at = WireFormat.preambleBytes
        while at < whole.count {
            at += WireFormat.frameHeaderBytes + (0..<4).reduce(0) { $0 | Int(whole[at + 1 + $1]) << (8 * $1) }
            good.insert(at)
        }
        for count in stride(from: 0, to: whole.count, by: max(1, whole.count / 500)) where !good.contains(count) {
            #expect(throws: WireError.self) { try Wire.decodeCommit(Bytes(whole[..<count])) }
        }
    }

    @Test("bytes that were changed are read or refused", arguments: 1...50 as ClosedRange<UInt64>)
    func flipped(seed: UInt64) {
        var samples = Samples(seed: seed)
        let sample = samples.commit()
        let outcomes = samples.list(atMost: 3) { $0.outcome() }
        let deliveries = samples.list(atMost: 2) { $0.delivery() }
        let stream = WatchStreamWriter.preamble + samples.list(atMost: 4) { $0.event() }.flatMap { WatchStreamWriter.frame($0) }
        for document in [
            Wire.encode(CommitRequest(sample.transactions, in: sample.session)), Wire.encode(outcomes), Wire.encode(deliveries), stream,
            Wire.encode(RenewRequest(holder: HolderID("h"), renewals: samples.list(atMost: 3) { $0.renewal() })),
            Wire.encode(samples.error()),
            Wire.encode([RenewalOutcome.good(remaining: samples.duration()), .cancelRequested, .stale, .unreachable]),
        ] {
            for _ in 0..<50 {
                var bytes = document
                for _ in 0...samples.below(3) { bytes[samples.below(bytes.count)] = UInt8(samples.below(256)) }
                WireDecoding.document(Bytes(bytes))
            }
        }
    }

    @Test("small operations are no more than can be held: a document of too many is refused")
    func items() throws {
        func document(transactions: Int, of operations: Int) -> Bytes {
            let transaction = Transaction(Array(repeating: .forget(JobID("x")), count: operations))
            return Bytes(Wire.encode(CommitRequest(Array(repeating: transaction, count: transactions))))
        }
        #expect(try Wire.decodeCommit(document(transactions: 262, of: 1_000)).transactions.count == 262)
        let error = #expect(throws: WireError.self) { try Wire.decodeCommit(document(transactions: 263, of: 1_000)) }
        #expect(error?.reason == .unacceptable)
        #expect(throws: WireError.self) { try Wire.decodeCalls(Bytes(Wire.encode(Array(repeating: Call.check, count: 32_769)))) }
        #expect(try Wire.decodeCalls(Bytes(Wire.encode(Array(repeating: Call.check, count: 32_768)))).count == 32_768)
        let watches = Array(repeating: WatchRequest.unwatch(number: 1), count: 262_145)
        #expect(throws: WireError.self) { try Wire.decodeWatches(Bytes(Wire.encode(watches))) }
    }

    @Test("a number of items that cannot be there reserves no memory for them")
    func count() {
        var writer = FrameWriter(.commit)
        let frame = writer.begin(Kind.transaction)
        writer.number(1 << 40)
        writer.end(frame)
        let error = #expect(throws: WireError.self) { try Wire.decodeCommit(Bytes(writer.bytes)) }
        #expect(error?.reason == .damaged)
    }

    @Test("what follows inside what follows is read so deep and no deeper")
    func depth() throws {
        func nested(_ levels: Int) throws -> Bytes {
            var message = NewMessage(queue: try QueueName("q"), payload: Content(Bytes()))
            for _ in 0..<levels {
                var outer = NewMessage(queue: try QueueName("q"), payload: Content(Bytes()))
                outer.onFinal = [FollowUp(.enqueue(message))]
                message = outer
            }
            return Bytes(Wire.encode(CommitRequest([Transaction(.enqueue(message))])))
        }
        _ = try Wire.decodeCommit(try nested(Limits.followUpDepth))
        #expect(throws: WireError.self) { try Wire.decodeCommit(try nested(WireFormat.depth)) }
    }

    @Test("an unacceptable queue name is refused with what a name can be")
    func queueName() {
        var writer = FrameWriter(.calls)
        let frame = writer.begin(Kind.pause)
        writer.text(String(repeating: "x", count: 201))
        writer.end(frame)
        let error = #expect(throws: WireError.self) { try Wire.decodeCalls(Bytes(writer.bytes)) }
        #expect(error?.reason == .unacceptable)
        #expect(error?.message.contains("200") == true)
    }

    @Test("an event stream that says an event is endless is given up")
    func endlessEvent() {
        var reader = WatchStreamReader()
        reader.add(WatchStreamWriter.preamble + [Kind.changed, 0xff, 0xff, 0xff, 0x7f])
        #expect(throws: WireError.self) { try reader.next() }
    }

    @Test("numbers of more than 64 bits are refused")
    func longNumber() {
        for bytes in [[UInt8](repeating: 0xff, count: 11), [UInt8](repeating: 0x80, count: 9) + [2]] {
            var reader = FrameReader(frames: bytes[...])
            #expect(throws: WireError.self) { try reader.number() }
        }
        var reader = FrameReader(frames: ([UInt8](repeating: 0xff, count: 9) + [1])[...])
        #expect((try? reader.number()) == .max)
    }
}
