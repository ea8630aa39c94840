import Foundation
import Godwit
import HTTPTypes
import Hummingbird
import ServiceLifecycle

/// The stream of server-sent events behind each page.
///
/// Each event says how something *is*, never what happened: an event that is skipped, because the browser is slow or was away, is missed by
/// nobody, and a page that reconnects knows everything at once.
struct Live: Sendable {
    let jobs: JobClient
    let graph: FollowerGraph
    let store: TimelineStore
    let trends: TrendBoard
    let changes: Changes
    let pace: Int

    /// At most this often is a page told.
    private static let interval: Duration = .milliseconds(80)
    private static let postsShown = 10

    func response(for person: Int) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                var sent: [String: String] = [:]
                var wroteAt = ContinuousClock.now
                // An open page does not keep the program from ending: the stream ends, and the page reconnects to the next one.
                for await _ in changes.stream().cancelOnGracefulShutdown() {
                    var text = ""
                    for (name, data) in try await events(for: person) where sent[name] != data {
                        sent[name] = data
                        text += "event: \(name)\ndata: \(data)\n\n"
                    }
                    // A comment now and then finds out whether anybody still listens.
                    if text.isEmpty, wroteAt.duration(to: .now) > .seconds(10) { text = ": still here\n\n" }
                    if !text.isEmpty {
                        try await writer.write(ByteBuffer(string: text))
                        wroteAt = .now
                    }
                    try await Task.sleep(for: Self.interval)
                }
                try await writer.finish(nil)
            }
        )
    }

    private func events(for person: Int) async throws -> [(name: String, data: String)] {
        var events = [
            ("settings", try json(["pace": pace, "chunk": Delivery.chunk])),
            ("timeline", try json(["count": store.read { $0.count(of: person) }])),
        ]
        guard person == FollowerGraph.you else { return events }
        events.append(("progress", try json(progress())))
        if let queue = try await jobs.queue(Delivery.queue) {
            events.append(("queue", try json(["unfinished": queue.counts.unfinished, "bound": queue.settings.maxJobs])))
        }
        events.append(("trends", try json(trends.trends)))
        return events
    }

    /// Counted from the timelines themselves: what it says has been delivered can be read there.
    private func progress() -> Progress {
        let newest = store.read { $0.newest(of: FollowerGraph.you, limit: Self.postsShown) }
        let total = graph.followers(of: FollowerGraph.you).count
        return Progress(
            posts: newest.map { .init(id: $0.post.id, delivered: $0.reached.count, total: total) },
            newest: newest.first.map {
                .init(id: $0.post.id, delivered: $0.reached.count, total: total, followers: Data($0.reached.bytes))
            }
        )
    }

    private struct Progress: Encodable {
        struct Item: Encodable {
            var id: String
            var delivered: Int
            var total: Int
            /// A bit for each follower, in base64.
            var followers: Data?
        }

        var posts: [Item]
        var newest: Item?
    }

    /// In one line, and the same text for the same value.
    private func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
