/// All timelines, in memory: what the file says, as a value without I/O.
struct Timelines: Sendable {
    /// A post and whom it has reached.
    struct Entry: Sendable {
        var post: Post
        /// Everyone on whose timeline it is, the author not counted.
        var reached = PersonSet()
    }

    /// What became of a post that was to be added.
    enum Addition: Sendable {
        case new
        /// It was there: the same post again.
        case known
        /// Another post has its id.
        case refused
    }

    /// In the order in which they came.
    private(set) var entries: [Entry] = []
    private var numbers: [String: Int] = [:]
    /// By person: indices of `entries`, oldest first.
    private var timelines = [[Int]](repeating: [], count: FollowerGraph.people + 1)

    /// Puts a post on its author's own timeline.
    mutating func add(_ post: Post) -> Addition {
        if let number = numbers[post.id] { return entries[number].post == post ? .known : .refused }
        numbers[post.id] = entries.count
        timelines[post.author].append(entries.count)
        entries.append(Entry(post: post))
        return .new
    }

    /// Puts a post on timelines.
    /// - Returns: Those on which it was not yet; nil when there is no such post.
    mutating func deliver(_ id: String, to people: some Sequence<Int>) -> [Int]? {
        guard let number = numbers[id] else { return nil }
        var added: [Int] = []
        for person in people where person != entries[number].post.author && entries[number].reached.insert(person) {
            timelines[person].append(number)
            added.append(person)
        }
        return added
    }

    func entry(_ id: String) -> Entry? {
        numbers[id].map { entries[$0] }
    }

    /// The newest posts on someone's timeline, newest first.
    func newest(of person: Int, limit: Int) -> [Entry] {
        timelines[person].suffix(limit).reversed().map { entries[$0] }
    }

    /// How many posts are on someone's timeline.
    func count(of person: Int) -> Int {
        timelines[person].count
    }
}
