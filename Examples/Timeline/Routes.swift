import Foundation
import Godwit
import HTTPTypes
import Hummingbird
import NIOCore

/// What the page asks for: publishing a post, reading a timeline, and the stream of what is going on.
struct Routes: Sendable {
    let jobs: JobClient
    let graph: FollowerGraph
    let store: TimelineStore
    let live: Live

    private static let longestBody = 8 << 10
    private static let postsShown = 50

    func add(to router: Router<some RequestContext>) {
        router.post("/posts") { request, _ in try await publish(request) }
        router.get("/timelines/:number") { _, context in try timeline(of: try context.person()) }
        router.get("/events") { request, context in
            let person = try Routes.person(request.uri.queryParameters.get("person") ?? "0", field: "person")
            return live.response(for: person)
        }
    }

    /// Answers 202 as soon as the post's job is on disk: from then on the post reaches everyone, whatever happens to this process.
    ///
    /// The post's id is the job's idempotency key, so a client that saw no answer can ask again.
    private func publish(_ request: Request) async throws -> Response {
        // Of another type a foreign web page could send it without asking this server first.
        guard request.headers[.contentType]?.lowercased().hasPrefix("application/json") == true else {
            throw Problem(.unsupportedMediaType, "unsupported_media_type", "send the post as application/json")
        }
        let post = try await Routes.post(in: request)
        // The key tells for a day only; the timelines for ever.
        if let known = store.read({ $0.entry(post.id)?.post }), known != post {
            throw Problem(.unprocessableContent, "id_taken", "another post has this id: give the new one an id of its own", field: "id")
        }
        let job: JobHandle<DeliverPost>
        do {
            job = try await jobs.enqueue(DeliverPost(post: post), key: post.id)
        } catch let error as BrokerError {
            throw Problem(error)
        }
        store.show(post)
        var response = try Response(status: .accepted, json: Accepted(post: post, job: job.id.description))
        response.headers[.location] = "/jobs/\(job.id)"
        return response
    }

    private struct Accepted: Encodable {
        var post: Post
        var job: String
    }

    private static func post(in request: Request) async throws -> Post {
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: longestBody)
        } catch is NIOTooManyBytesError {
            throw Problem(.contentTooLarge, "too_large", "a post must be at most \(longestBody) bytes")
        }
        let post: Post
        do {
            post = try JSONDecoder().decode(Post.self, from: Data(body.readableBytesView))
        } catch {
            throw Problem(.badRequest, "bad_json", #"send {"id": "…", "author": 0, "text": "…", "writtenAt": 0}"#)
        }
        if let problem = post.problem { throw Problem(.badRequest, "bad_post", problem.message, field: problem.field) }
        return post
    }

    private func timeline(of person: Int) throws -> Response {
        let (count, entries) = store.read { timelines in
            (timelines.count(of: person), timelines.newest(of: person, limit: Self.postsShown))
        }
        let posts = entries.map { entry in
            TimelinePage.Item(
                id: entry.post.id,
                author: .init(number: entry.post.author),
                text: entry.post.text,
                writtenAt: entry.post.writtenAt,
                delivered: entry.reached.count,
                total: graph.followers(of: entry.post.author).count
            )
        }
        let page = TimelinePage(
            person: .init(
                number: person,
                name: People.name(person),
                followers: graph.followers(of: person).count,
                follows: graph.followedCount(by: person)
            ),
            count: count,
            posts: posts
        )
        return try Response(json: page)
    }

    static func person(_ text: String, field: String) throws -> Int {
        guard let person = Int(text), (0...FollowerGraph.people).contains(person) else {
            throw Problem(.notFound, "no_such_person", "people have the numbers 0 (you) to \(FollowerGraph.people)", field: field)
        }
        return person
    }
}

/// A timeline's newest posts, as the pages read them.
private struct TimelinePage: Encodable {
    struct Person: Encodable {
        var number: Int
        var name: String
        var followers: Int
        var follows: Int
    }

    struct Author: Encodable {
        var number: Int
        var name: String

        init(number: Int) {
            self.number = number
            name = People.name(number)
        }
    }

    struct Item: Encodable {
        var id: String
        var author: Author
        var text: String
        var writtenAt: Int
        var delivered: Int
        var total: Int
    }

    var person: Person
    /// All posts on the timeline; `posts` has the newest.
    var count: Int
    var posts: [Item]
}

extension RequestContext {
    /// The number in the path: a follower's, or yours.
    fileprivate func person() throws -> Int {
        try Routes.person(parameters.get("number") ?? "", field: "number")
    }
}
