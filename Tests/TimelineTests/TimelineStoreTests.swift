import Foundation
import Testing

@testable import Timeline

@Suite("The timelines' file", .timeLimit(.minutes(1)))
struct TimelineStoreTests {
    private func post(_ id: String, author: Int = 0) -> Post {
        Post(id: id, author: author, text: "Post \(id)\nwith “quotes” and a / slash", writtenAt: 1_700_000_000_000)
    }

    private func open(_ path: String) throws -> TimelineStore {
        try TimelineStore(path: path, changes: Changes())
    }

    private func ids(_ store: TimelineStore, of person: Int) -> [String] {
        store.read { $0.newest(of: person, limit: 100).map(\.post.id) }
    }

    @Test("an own post is readable before its file is written")
    func atOnce() async throws {
        try await withFile { path in
            let store = try open(path)
            store.show(post("a"))
            #expect(ids(store, of: 0) == ["a"])
        }
    }

    @Test("what was confirmed is there after a restart")
    func restart() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a"))
            try await store.deliver("a", to: 1...3)
            _ = try await store.add(post("b"))
            try await store.deliver("b", to: [2])

            let again = try open(path)
            #expect(ids(again, of: 0) == ["b", "a"])
            #expect(ids(again, of: 1) == ["a"])
            #expect(ids(again, of: 2) == ["b", "a"])
            #expect(again.read { $0.newest(of: 0, limit: 2).map(\.post) } == [post("b"), post("a")])
        }
    }

    @Test("delivering again writes nothing")
    func idempotent() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a"))
            try await store.deliver("a", to: 1...500)
            let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
            _ = try await store.add(post("a"))
            try await store.deliver("a", to: 1...500)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == size)
            #expect(ids(store, of: 7) == ["a"])

            try await store.deliver("a", to: 400...600)
            #expect(store.read { $0.entry("a")?.reached.count } == 600)
            #expect(ids(store, of: 450) == ["a"])
        }
    }

    @Test("deliveries at the same time reach everyone once")
    func concurrent() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a"))
            try await withThrowingTaskGroup { group in
                for start in stride(from: 1, through: 9_501, by: 500) {
                    for _ in 0..<3 { group.addTask { try await store.deliver("a", to: start..<start + 500) } }
                }
                try await group.waitForAll()
            }
            let again = try open(path)
            #expect((1...FollowerGraph.people).allSatisfy { ids(again, of: $0) == ["a"] })
        }
    }

    @Test("the author's own timeline has the post once, also when the author is delivered to")
    func author() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a", author: 5))
            try await store.deliver("a", to: 4...6)
            #expect(ids(store, of: 5) == ["a"])
            #expect(store.read { $0.entry("a")?.reached.count } == 2)
        }
    }

    @Test("another post under an id that is taken is refused, and the first one stays")
    func taken() async throws {
        try await withFile { path in
            let store = try open(path)
            #expect(try await store.add(post("a")))
            #expect(try await store.add(post("a")))
            #expect(try await !store.add(post("a", author: 5)))
            #expect(!store.show(Post(id: "a", author: 0, text: "other", writtenAt: 0)))
            #expect(ids(store, of: 5).isEmpty)
            #expect(try open(path).read { $0.entry("a")?.post } == post("a"))
        }
    }

    @Test("a post that is not there cannot be delivered")
    func unknown() async throws {
        try await withFile { path in
            let store = try open(path)
            await #expect(throws: TimelineStore.UnknownPost.self) { try await store.deliver("a", to: [1]) }
        }
    }

    @Test("a last line that is torn anywhere is cut off, and the file goes on")
    func torn() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a"))
            try await store.deliver("a", to: 1...10)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try await store.deliver("a", to: 11...20)
            let longer = try Data(contentsOf: URL(fileURLWithPath: path))
            for end in whole.count..<longer.count {
                try longer.prefix(end).write(to: URL(fileURLWithPath: path))
                let again = try open(path)
                #expect(again.read { $0.entry("a")?.reached.count } == 10)
                try await again.deliver("a", to: 11...20)
                #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == longer)
            }
        }
    }

    @Test("a last line of zeros, as power failures leave them, is cut off")
    func zeros() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a"))
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try (whole + Data(count: 4_096)).write(to: URL(fileURLWithPath: path))
            #expect(ids(try open(path), of: 0) == ["a"])
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == whole)
        }
    }

    @Test("damage before the last line is an error that names the place, and the file stays as it is")
    func damage() async throws {
        try await withFile { path in
            let store = try open(path)
            _ = try await store.add(post("a"))
            let start = try Data(contentsOf: URL(fileURLWithPath: path)).count
            try await store.deliver("a", to: 1...10)
            try await store.deliver("a", to: 11...20)
            var damaged = try Data(contentsOf: URL(fileURLWithPath: path))
            damaged[start] = UInt8(ascii: "x")
            try damaged.write(to: URL(fileURLWithPath: path))
            let error = try #require(throws: LineFile.Failure.self) { try open(path) }
            #expect(error.description.contains(path) && error.description.contains("byte \(start)"))
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == damaged)
        }
    }

    @Test("a delivery to somebody who does not exist is damage")
    func stranger() async throws {
        try await withFile { path in
            let line = #"{"deliveries":[{"post":"a","to":[10001]}],"posts":[{"author":0,"id":"a","text":"x","writtenAt":0}]}"# + "\n"
            try Data((line + line).utf8).write(to: URL(fileURLWithPath: path))
            #expect(throws: LineFile.Failure.self) { try open(path) }
        }
    }

    @Test("an author who does not exist is damage")
    func strangeAuthor() async throws {
        try await withFile { path in
            let line = #"{"deliveries":[],"posts":[{"author":10001,"id":"a","text":"x","writtenAt":0}]}"# + "\n"
            try Data((line + line).utf8).write(to: URL(fileURLWithPath: path))
            #expect(throws: LineFile.Failure.self) { try open(path) }
        }
    }

    /// Runs `body` with the path of a file that is not there yet, in a folder that is removed afterwards.
    private func withFile(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("timeline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.appendingPathComponent("timelines.jsonl").path)
    }
}
