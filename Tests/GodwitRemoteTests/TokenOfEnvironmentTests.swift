import Foundation
import GodwitCore
import Testing

@testable import Godwit

@Suite("The token that a client shows when it was given none")
struct TokenOfEnvironmentTests {
    @Test("the file that GODWIT_TOKEN_FILE names comes before GODWIT_TOKEN, as for the command line")
    func order() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "godwit-token-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try JobClient.tokenOfEnvironment([:]) == nil)
        #expect(try JobClient.tokenOfEnvironment(["GODWIT_TOKEN": "itself", "GODWIT_TOKEN_FILE": ""]) == "itself")
        let environment = ["GODWIT_TOKEN": "itself", "GODWIT_TOKEN_FILE": file.path]
        let error = try #require(throws: BrokerError.self) { try JobClient.tokenOfEnvironment(environment) }
        #expect(error.code == .invalidArgument && error.message.contains(file.path))
        try Data("from-the-file\n".utf8).write(to: file)
        #expect(try JobClient.tokenOfEnvironment(environment) == "from-the-file")
        try Data("\n".utf8).write(to: file)
        #expect(throws: BrokerError.self) { try JobClient.tokenOfEnvironment(environment) }
    }
}
