import Dispatch
import Foundation
import Synchronization

/// The timelines of everyone: in memory to be read, in one append-only file to last.
///
/// Everything is keyed by (post, person), so to deliver again writes nothing: a job may run twice, a timeline never has a post twice.
final class TimelineStore: Sendable {
    /// What one line of the file says.
    struct Group: Codable, Sendable {
        struct Delivery: Codable, Sendable {
            var post: String
            var to: [Int]
        }

        var posts: [Post] = []
        var deliveries: [Delivery] = []

        var isEmpty: Bool { posts.isEmpty && deliveries.isEmpty }
    }

    /// A delivery of a post that is not in the store.
    struct UnknownPost: Error, CustomStringConvertible {
        var id: String
        var description: String { "there is no post \(id)" }
    }

    private struct State {
        var timelines = Timelines()
        /// What the next line will say, and who waits for it.
        var group = Group()
        var waiting: [CheckedContinuation<Void, any Error>] = []
        var isWriting = false
        /// Once a write failed, memory is ahead of the file: nothing is confirmed any more until the program starts again.
        var failure: (any Error)?

        /// Whether there is something to do and nobody who does it; from now on the caller does.
        mutating func startsWriting() -> Bool {
            guard !isWriting, !group.isEmpty || !waiting.isEmpty else { return false }
            isWriting = true
            return true
        }

        /// What is to be written next; nil ends the writing.
        mutating func takeGroup() -> (Group, [CheckedContinuation<Void, any Error>])? {
            guard !group.isEmpty || !waiting.isEmpty else {
                isWriting = false
                return nil
            }
            defer { (group, waiting) = (Group(), []) }
            return (group, waiting)
        }
    }

    private let state: Mutex<State>
    private let file: LineFile
    /// Writes and syncs block: they have a thread of their own, off the cooperative pool.
    private let writer = DispatchQueue(label: "timelines")
    private let changes: Changes

    /// Opens the timelines at a path, or begins them.
    init(path: String, changes: Changes) throws {
        var timelines = Timelines()
        file = try LineFile(path: path) { (group: Group) in
            for post in group.posts {
                guard (0...FollowerGraph.people).contains(post.author) else { throw UnknownPost(id: post.id) }
                _ = timelines.add(post)
            }
            for delivery in group.deliveries {
                guard delivery.to.allSatisfy((0...FollowerGraph.people).contains),
                    timelines.deliver(delivery.post, to: delivery.to) != nil
                else { throw UnknownPost(id: delivery.post) }
            }
        }
        state = Mutex(State(timelines: timelines))
        self.changes = changes
    }

    /// Shows a post on its author's own timeline at once; its file follows.
    ///
    /// For a post whose job is already accepted: the job calls ``add(_:)``, so that nothing is lost if the process ends before the write.
    /// - Returns: Whether it is there; false when another post has its id.
    @discardableResult
    func show(_ post: Post) -> Bool {
        change { state in
            switch state.timelines.add(post) {
            case .new: state.group.posts.append(post)
            case .known: break
            case .refused: return false
            }
            return true
        }
    }

    /// Puts a post on its author's own timeline, and returns when it is on disk.
    /// - Returns: Whether it is; false when another post has its id.
    func add(_ post: Post) async throws -> Bool {
        guard show(post) else { return false }
        try await synced()
        return true
    }

    /// Puts a post on timelines, and returns when it is on disk on all of them.
    func deliver(_ id: String, to people: some Sequence<Int>) async throws {
        let isKnown = change { state in
            guard let added = state.timelines.deliver(id, to: people) else { return false }
            if !added.isEmpty { state.group.deliveries.append(.init(post: id, to: added)) }
            return true
        }
        guard isKnown else { throw UnknownPost(id: id) }
        try await synced()
    }

    func read<Value>(_ body: (borrowing Timelines) -> sending Value) -> sending Value {
        state.withLock { body($0.timelines) }
    }

    private func change<Value: Sendable>(_ body: (inout State) -> Value) -> Value {
        let (value, mustStart) = state.withLock { state in
            let value = body(&state)
            return (value, state.startsWriting())
        }
        if mustStart { writer.async { self.writeGroups() } }
        changes.notify()
        return value
    }

    /// Waits until all that was changed before is on disk.
    private func synced() async throws {
        try await withCheckedThrowingContinuation { continuation in
            let mustStart = state.withLock { state in
                state.waiting.append(continuation)
                return state.startsWriting()
            }
            if mustStart { writer.async { self.writeGroups() } }
        }
    }

    /// Group commit: all that came while one line was written and synced is the next line.
    private func writeGroups() {
        while let (group, waiting) = state.withLock({ $0.takeGroup() }) {
            var result = Result<Void, any Error>.success(())
            if let failure = state.withLock({ $0.failure }) {
                result = .failure(failure)
            } else if !group.isEmpty {
                result = Result { try file.append(group) }
            }
            if case .failure(let error) = result { state.withLock { $0.failure = error } }
            for waiter in waiting { waiter.resume(with: result) }
        }
    }
}
