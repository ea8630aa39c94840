package import GodwitServer

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Runs a test with options that name a file of these tokens, which is gone afterwards.
package func withTokenFile(
    _ tokens: String,
    _ options: ServerOptions = ServerOptions(),
    _ test: (ServerOptions) async throws -> Void
) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "godwit-tokens-\(UInt64.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "tokens.json")
    try Data(#"{"tokens": [\#(tokens)]}"#.utf8).write(to: file)
    var options = options
    options.tokenTable = file.path(percentEncoded: false)
    try await test(options)
}
