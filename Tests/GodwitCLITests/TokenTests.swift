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

    @Test("the environment may name its file, as it does for a server; an option comes before it, the token itself after it")
    func fileOfEnvironment() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "godwit-token-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let named = folder.appending(path: "named").path, given = folder.appending(path: "given").path
        try Data("from-a-variable\n".utf8).write(to: URL(filePath: named))
        try Data("from-an-option\n".utf8).write(to: URL(filePath: given))
        let environment = ["GODWIT_TOKEN_FILE": named, "GODWIT_TOKEN": "itself"]
        #expect(try Token.read(file: nil, environment: environment) == "from-a-variable")
        #expect(try Token.read(file: given, environment: environment) == "from-an-option")
        #expect(try Token.read(file: nil, environment: ["GODWIT_TOKEN_FILE": "", "GODWIT_TOKEN": "itself"]) == "itself")
        #expect(throws: CommandFailure.self) { _ = try Token.read(file: nil, environment: ["GODWIT_TOKEN_FILE": named + "-missing"]) }
    }
}
