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
