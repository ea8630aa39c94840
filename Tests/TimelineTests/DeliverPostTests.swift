import Foundation
import Godwit
import Testing

@testable import Timeline

@Suite("Delivering posts", .timeLimit(.minutes(1)))
struct DeliverPostTests {
    private func withDelivery(_ body: (Timeline.Delivery) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("timeline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try TimelineStore(path: folder.appendingPathComponent("timelines.jsonl").path, changes: Changes())
        try await body(Timeline.Delivery(graph: FollowerGraph(), store: store, pace: .zero))
    }

    private let post = Post(id: "a", author: 0, text: "words", writtenAt: 0)

    @Test("the chunks of a post reach all followers, each once")
    func chunks() async throws {
        try await withDelivery { delivery in
            let chunks = try await delivery.deliver(post)
            #expect(chunks.count == 20)
            for chunk in chunks + chunks { try await delivery.deliver(chunk) }
            #expect(delivery.store.read { $0.entry("a")?.reached.count } == FollowerGraph.people)
        }
    }

    @Test(
        "a chunk that names no followers fails for good, and takes nothing with it",
        arguments: [(0, -1, 5), (0, 5, 1), (0, 0, 10_001), (-1, 0, 1), (10_001, 0, 1), (9_000, 0, 500)]
    )
    func badChunks(author: Int, from: Int, to: Int) async throws {
        try await withDelivery { delivery in
            _ = try await delivery.deliver(post)
            let error = await #expect(throws: JobFailure.self) {
                try await delivery.deliver(DeliverChunk(post: "a", author: author, from: from, to: to))
            }
            #expect(error?.code == "bad_chunk")
        }
    }

    @Test("a post that cannot be, or whose id is another's, fails for good")
    func badPosts() async throws {
        try await withDelivery { delivery in
            _ = try await delivery.deliver(post)
            func code(_ post: Post) async -> String? {
                await #expect(throws: JobFailure.self) { try await delivery.deliver(post) }?.code
            }
            #expect(await code(Post(id: "a", author: 3, text: "words", writtenAt: 0)) == "id_taken")
            #expect(await code(Post(id: "b", author: 10_001, text: "words", writtenAt: 0)) == "bad_post")
            let lost = await #expect(throws: JobFailure.self) {
                try await delivery.deliver(DeliverChunk(post: "c", author: 0, from: 0, to: 1))
            }
            #expect(lost?.code == "unknown_post")
        }
    }
}
