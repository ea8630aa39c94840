import GodwitCore
import Testing

@testable import GodwitWire

/// What a client and a server of different minor versions make of each other.
@Suite struct VersionTests {
    private static func commit(minor: UInt8 = WireFormat.minor, major: UInt8 = WireFormat.major, _ frames: [UInt8]) -> Bytes {
        Bytes(WireFormat.magic + [major, minor, Document.commit.rawValue, 0] + frames)
    }

    private static func frame(_ kind: UInt8, _ body: [UInt8]) -> [UInt8] {
        [kind] + (0..<4).map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
    }

    private static let cancel = frame(Kind.cancel, [2] + Array("ab".utf8))

    @Test("what a newer minor version adds at a frame's end is passed over")
    func longerFrame() throws {
        let cancel = Self.frame(Kind.cancel, [2] + Array("ab".utf8) + [9, 9, 9])
        let request = try Wire.decodeCommit(Self.commit(minor: 1, Self.frame(Kind.transaction, [1] + cancel + [7])))
        guard case .cancel(let id)? = request.transactions.first?.operations.first else { return #expect(Bool(false), "no cancel") }
        #expect(id.description == "ab")
    }

    @Test("a frame of an ancillary kind is passed over, wherever it stands")
    func ancillaryFrame() throws {
        let extra = Self.frame(0xc1, [1, 2, 3])
        let request = try Wire.decodeCommit(Self.commit(extra + Self.frame(Kind.transaction, [1] + extra + Self.cancel) + extra))
        #expect(request.transactions.count == 1)
        #expect(request.transactions.first?.operations.count == 1)
    }

    @Test("a frame of another unknown kind is refused, and its place is named")
    func unknownFrame() throws {
        let error = #expect(throws: WireError.self) {
            try Wire.decodeCommit(Self.commit(Self.frame(Kind.transaction, [1] + Self.frame(0x1e, []))))
        }
        #expect(error?.reason == .unknown)
        #expect(error?.offset == 19)
    }

    @Test(
        "a flag that is not known is refused: what it stands for cannot be read",
        arguments: [
            (Kind.complete, [2, 1, 0x61]), (Kind.fail, [2, 1, 0x61, 1, 0x62, 0]), (Kind.release, [16, 1, 0x61, 0]),
            (Kind.deadLetter, [0x80, 1, 0x61, 1, 0x62, 0]), (Kind.put, [2, 0, 1, 0x61, 0, 0]),
            (Kind.add, [2, 0, 1, 0x61, 1, 0x62, 2, 2, 0]),
        ] as [(UInt8, [UInt8])]
    )
    func unknownFlag(kind: UInt8, body: [UInt8]) throws {
        let known = Self.frame(Kind.transaction, [1] + Self.frame(kind, [0] + body[1...]))
        #expect(try Wire.decodeCommit(Self.commit(known)).transactions.count == 1)
        let error = #expect(throws: WireError.self) {
            try Wire.decodeCommit(Self.commit(Self.frame(Kind.transaction, [1] + Self.frame(kind, body))))
        }
        #expect(error?.reason == .unknown)
    }

    @Test("so is one of a session, a call, an outcome, a renewal and an error")
    func unknownFlags() {
        func refused(_ document: Document, _ frames: [UInt8], _ decode: (Bytes) throws -> Void) {
            for flags in [4, 0x80] as [UInt8] {
                let bytes = Bytes(WireFormat.magic + [1, 0, document.rawValue, 0] + frames.map { $0 == 0xfe ? flags : $0 })
                #expect(throws: WireError.self, "\(document)") { try decode(bytes) }
            }
        }
        refused(.commit, Self.frame(Kind.session, [0xfe, 1, 0x73, 1, 0])) { _ = try Wire.decodeCommit($0) }
        refused(.calls, Self.frame(Kind.deleteQueue, [0xfe, 1, 0x71])) { _ = try Wire.decodeCalls($0) }
        refused(.calls, Self.frame(Kind.browse, [0xfe, 1, 0x71, 2])) { _ = try Wire.decodeCalls($0) }
        refused(.watches, Self.frame(Kind.watchJob, [0xfe, 1, 0, 1, 0x61])) { _ = try Wire.decodeWatches($0) }
        refused(.renew, Self.frame(Kind.holder, [1, 0x68]) + Self.frame(Kind.renewal, [0xfe, 1, 0x61])) { _ = try Wire.decodeRenew($0) }
        refused(.error, Self.frame(Kind.error, [0xfe, 1, 0x61, 1, 0x62])) { _ = try Wire.decodeError($0) }
        refused(.outcomes, Self.frame(Kind.committed, [1] + Self.frame(Kind.added, [0xfe, 1, 2, 1, 0]))) { _ = try Wire.decodeOutcomes($0) }
    }

    @Test("options that contradict each other are damage", arguments: [2 | 4, 256] as [UInt64])
    func contradiction(options: UInt64) throws {
        var writer = FrameWriter(.commit)
        let transaction = writer.begin(Kind.transaction)
        writer.count(1)
        let frame = writer.begin(Kind.enqueue)
        writer.number(options)
        writer.queue(try QueueName("q"))
        writer.content(Content("1"))
        for _ in 0..<4 { writer.signed(1) }
        writer.end(frame)
        writer.end(transaction)
        let error = #expect(throws: WireError.self) { try Wire.decodeCommit(Bytes(writer.bytes)) }
        #expect(error?.reason == .damaged)
    }

    @Test("ends that there are not are read: the transaction is refused, not all that travel with it", arguments: [0, 16, 255] as [UInt8])
    func otherEnds(when: UInt8) throws {
        var message = NewMessage(queue: try QueueName("q"), payload: Content("1"))
        message.onFinal = [FollowUp(.cancel(JobID("x")), when: FinalStates(rawValue: when))]
        let read = try Wire.decodeCommit(Bytes(Wire.encode(CommitRequest([Transaction(.enqueue(message))]))))
        guard case .enqueue(let again)? = read.transactions.first?.operations.first else { return #expect(Bool(false), "no message") }
        #expect(again.onFinal.first?.when.rawValue == when)
    }

    @Test("another major version is refused with a word about what to do")
    func majorVersion() throws {
        let error = #expect(throws: WireError.self) { try Wire.decodeCommit(Self.commit(major: 2, [])) }
        #expect(error?.reason == .newerMajor)
        #expect(error?.message.contains("JSON") == true)
    }

    @Test("a document of another type is refused")
    func otherDocument() {
        #expect(throws: WireError.self) { try Wire.decodeOutcomes(Bytes(Wire.encode(CommitRequest([])))) }
        #expect(throws: WireError.self) { try Wire.decodeCommit(Bytes("{\"transactions\":[]}")) }
    }

    /// The bytes themselves, so that no change of the code changes the format unnoticed.
    @Test("a commit has the bytes that the format's description shows")
    func bytes() {
        let request = CommitRequest([Transaction(.cancel(JobID("ab")))], in: SessionCommit(id: "s", number: 300, acknowledged: 2))
        let bytes: [UInt8] =
            [0x47, 0x57, 0x42, 0x54, 1, 0, 1, 0]
            + [0x01, 6, 0, 0, 0, 0, 1, 0x73, 0xac, 0x02, 2]
            + [0x02, 9, 0, 0, 0, 1, 0x15, 3, 0, 0, 0, 2, 0x61, 0x62]
        #expect(Wire.encode(request) == bytes)
    }
}
