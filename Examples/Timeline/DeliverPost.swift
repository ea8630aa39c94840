import Godwit

/// Delivers a post: enqueues a job for each 500 followers.
///
/// Enqueueing this job is what publishes the post: when it is on disk, the post is, and reaches everyone.
struct DeliverPost: Job {
    static let name = "deliver-post"
    static let queue = Delivery.queue

    var post: Post
}

/// Puts a post on the timelines of some of its author's followers.
struct DeliverChunk: Job {
    static let name = "deliver-chunk"
    /// In the queue of the posts, so that its bound counts all work that is unfinished.
    static let queue = Delivery.queue
    /// What is begun is finished before something new is begun.
    static let priority = 1

    var post: String
    var author: Int
    /// Positions in `FollowerGraph.followers(of: author)`, from the first up to but not including the last.
    var from: Int
    var to: Int
}

/// How posts reach timelines.
struct Delivery: Sendable {
    static let queue = "posts"
    static let chunk = 500

    let graph: FollowerGraph
    let store: TimelineStore
    /// What delivering to 500 followers pretends to take: a real service ranks, filters and notifies here.
    let pace: Duration

    /// The chunks are enqueued in the transaction that completes this job: all or none, however often it runs.
    ///
    /// A payload is input: an older version of this program may have written it, or somebody else. What is wrong with it no other attempt
    /// puts right.
    func deliver(_ post: Post) async throws -> [DeliverChunk] {
        if let problem = post.problem { throw JobFailure.permanent(problem.message, code: "bad_post") }
        guard try await store.add(post) else { throw JobFailure.permanent("another post has the id \(post.id)", code: "id_taken") }
        return graph.chunks(of: post.author, size: Self.chunk).map {
            DeliverChunk(post: post.id, author: post.author, from: $0.lowerBound, to: $0.upperBound)
        }
    }

    /// Returns when the post is on disk on all the chunk's timelines. Running it again writes nothing.
    func deliver(_ chunk: DeliverChunk) async throws {
        guard let followers = graph.followers(of: chunk.author, from: chunk.from, to: chunk.to) else {
            throw JobFailure.permanent("author \(chunk.author) has no followers \(chunk.from) to \(chunk.to)", code: "bad_chunk")
        }
        try await Task.sleep(for: pace * followers.count / Self.chunk)
        do {
            try await store.deliver(chunk.post, to: followers)
        } catch let error as TimelineStore.UnknownPost {
            throw JobFailure.permanent(error.description, code: "unknown_post")
        }
    }
}
