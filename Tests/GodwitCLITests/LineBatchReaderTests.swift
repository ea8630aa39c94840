import Foundation
import Testing

@testable import GodwitCLI

@Suite("Lines of input")
struct LineBatchReaderTests {
    init() { Output.ignoreBrokenPipes() }

    /// The batches of an input that is all there.
    private func batches(_ input: String, count: Int = 1_000, bytes: Int = 1 << 20) throws -> [LineBatches.Batch] {
        var pipe = try ProcessPipe()
        let writing = pipe.takeWriting()
        let writer = Thread {
            try? Output.write(ContiguousArray(input.utf8), to: writing)
            close(writing)
        }
        writer.start()
        var reader = LineBatchReader(descriptor: pipe.reading, limits: .init(count: count, bytes: bytes)) { $0 }
        var batches: [LineBatches.Batch] = []
        while let batch = reader.next() {
            batches.append(batch)
            if batch.failure != nil { break }
        }
        extendLifetime(pipe)
        return batches
    }

    private func texts(_ batches: [LineBatches.Batch]) -> [String] {
        batches.flatMap { $0.items.map { String(decoding: $0, as: UTF8.self) } }
    }

    @Test("are jobs; empty ones are passed over, line ends may be CRLF, and the last line needs none")
    func lines() throws {
        #expect(try texts(batches("a\n\n b \r\n\t\nc")) == ["a", " b ", "c"])
        #expect(try batches("").isEmpty)
        #expect(try batches("\n\n").isEmpty)
    }

    @Test("fill batches by count, and know their numbers")
    func count() throws {
        let batches = try batches((1...25).map { "\($0)\n" }.joined(), count: 10)
        #expect(texts(batches) == (1...25).map { "\($0)" })
        #expect(batches.allSatisfy { $0.items.count <= 10 })
        #expect(batches.first?.firstLine == 1 && batches.last?.lastLine == 25)
    }

    @Test("fill batches by size, with what stands between them")
    func size() throws {
        let batches = try batches(String(repeating: "0123456789\n", count: 100), bytes: 64)
        #expect(texts(batches).count == 100)
        #expect(batches.allSatisfy { $0.items.reduce(2) { $0 + $1.count + 1 } <= 64 })
    }

    @Test("that are too long are refused by their number, after those before them", arguments: [100, 300_000])
    func tooLong(length: Int) throws {
        let batches = try batches("a\nb\n" + String(repeating: "x", count: length) + "\nc\n", bytes: 64)
        #expect(texts(batches) == ["a", "b"])
        let failure = try #require(batches.last?.failure)
        #expect(failure.exit == .usage)
        #expect(failure.message.hasPrefix("line 3: "))
    }

    @Test("a slow producer's line does not wait for the next one")
    func slow() async throws {
        var pipe = try ProcessPipe()
        try Output.write(ContiguousArray("first\n".utf8), to: pipe.writing)
        var batches = LineBatches.read(from: pipe.reading, limits: .batch) { $0 }.makeAsyncIterator()
        let firstBatch = await batches.next()
        let first = try #require(firstBatch)
        #expect(first.items == [Array("first".utf8)])
        first.done()
        try Output.write(ContiguousArray("second\n".utf8), to: pipe.writing)
        close(pipe.takeWriting())
        let secondBatch = await batches.next()
        let second = try #require(secondBatch)
        #expect(second.name == "line 2")
        second.done()
        #expect(await batches.next() == nil)
        extendLifetime(pipe)
    }
}
