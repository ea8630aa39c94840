import GodwitCore
import GodwitHTTP
import Logging
import Synchronization
import Testing

@testable import GodwitCLI

@Suite("Logs as JSON lines")
struct JSONLogHandlerTests {
    private final class Lines: Sendable {
        let bytes = Mutex<[[UInt8]]>([])
        var last: JSONValue? { bytes.withLock { $0.last }.flatMap { JSONValue(Array($0.dropLast())) } }
    }

    private func logger(_ lines: Lines, provider: Logger.MetadataProvider? = nil) -> Logger {
        Logger(label: "godwit.test") { label in
            JSONLogHandler(label: label, metadataProvider: provider, now: { Timestamp(milliseconds: 1_764_547_200_007) }) { line in
                lines.bytes.withLock { $0.append(line) }
            }
        }
    }

    @Test("an event is one object with time, level, label, message, metadata and source")
    func event() throws {
        let lines = Lines()
        var logger = logger(lines)
        logger[metadataKey: "queue"] = "q"
        logger.notice("audit", metadata: ["act": "purge", "queue": "other"], source: "GodwitHTTP")
        let expected = """
            {"time":"2025-12-01T00:00:00.007Z","level":"notice","label":"godwit.test","message":"audit",\
            "metadata":{"act":"purge","queue":"other"},"source":"GodwitHTTP"}\n
            """
        #expect(lines.bytes.withLock { $0 } == [Array(expected.utf8)])
    }

    @Test("without metadata there is none, and a level below the logger's is not written")
    func plain() throws {
        let lines = Lines()
        let logger = logger(lines)
        logger.debug("quiet")
        logger.info("loud")
        #expect(lines.bytes.withLock { $0.count } == 1)
        #expect(lines.last?["metadata"] == nil && lines.last?["level"]?.string == "info")
        #expect(lines.last?["source"]?.string == "GodwitCLITests")
    }

    @Test("nested metadata stays nested, and what a provider knows is there")
    func nested() throws {
        let lines = Lines()
        let logger = logger(lines, provider: Logger.MetadataProvider { ["trace_id": "t"] })
        logger.info("m", metadata: ["a": ["x", ["b": "y"], .stringConvertible(5)]])
        let metadata = try #require(lines.last?["metadata"])
        #expect(metadata["a"]?.elements?.first?.string == "x")
        #expect(metadata["a"]?.elements?[1]["b"]?.string == "y")
        #expect(metadata["a"]?.elements?[2].string == "5")
        #expect(metadata["trace_id"]?.string == "t")
    }

    @Test("every character comes back as it was, in a message, in keys and in values, and no line is broken")
    func escapes() throws {
        let lines = Lines()
        let logger = logger(lines)
        let scalars = (0...0x2fff).compactMap(Unicode.Scalar.init) + [0xfffd, 0xffff, 0x1f600, 0x10ffff].compactMap(Unicode.Scalar.init)
        let text = String(String.UnicodeScalarView(scalars)) + "\r\n\\\"" + String(decoding: [0xff, 0xc0, 0x80] as [UInt8], as: UTF8.self)
        logger.info("\(text)", metadata: [text: .string(text)])
        let line = try #require(lines.bytes.withLock { $0.last })
        #expect(line.count { $0 < 0x20 } == 1 && line.last == 0x0a)
        #expect(lines.last?["message"]?.string == text)
        let member = try #require(try lines.last?["metadata"]?.members()?.first)
        #expect(member.name == text && member.value.string == text)
    }

    @Test("an error that was logged is there with its type")
    func error() throws {
        let lines = Lines()
        logger(lines).error("failed", error: CommandFailure.usage("say it"))
        #expect(lines.last?["metadata"]?["error.message"]?.string == "say it")
        #expect(lines.last?["metadata"]?["error.type"]?.string == "GodwitCLI.CommandFailure")
    }
}
