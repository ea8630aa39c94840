import Foundation
import Testing

@testable import GodwitCLI

@Suite("The token that this program shows")
struct TokenTests {
    @Test("a token file's text is the token; none, an empty and a binary one are refused")
    func file() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "godwit-token-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        func read() throws -> String? { try Token.read(file: path, environment: ["GODWIT_TOKEN": "another"]) }
        #expect(throws: CommandFailure.self) { _ = try read() }
        try Data("  0123456789abcdef \r\n".utf8).write(to: URL(filePath: path))
        #expect(try read() == "0123456789abcdef")
        for bytes in [[], Array("\n".utf8), Array("two words".utf8), [0xff, 0xfe], [UInt8](repeating: 0x61, count: Token.largest + 1)] {
            try Data(bytes).write(to: URL(filePath: path))
            #expect(throws: CommandFailure.self) { _ = try read() }
        }
    }

    @Test("without a file it is in the environment, or there is none")
    func environment() throws {
        #expect(try Token.read(file: nil, environment: ["GODWIT_TOKEN": "0123456789abcdef"]) == "0123456789abcdef")
        #expect(try Token.read(file: nil, environment: ["GODWIT_TOKEN": ""]) == nil)
        #expect(try Token.read(file: nil, environment: [:]) == nil)
    }
}
