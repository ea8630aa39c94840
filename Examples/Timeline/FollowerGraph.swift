/// Who follows whom among 10,000 people and you.
///
/// You are number 0, and all 10,000 follow you. Everyone else is as popular as their number says, by Zipf's law: number n has
/// 10,000 / (n + 1) followers, so a few people are known by thousands and most by hardly anybody.
///
/// The graph is the same on every machine and in every run: chunks of an author's followers are named by their positions in it, and a
/// delivery that was interrupted must mean the same people when it goes on.
struct FollowerGraph: Sendable {
    static let people = 10_000
    /// The author who uses the page.
    static let you = 0

    /// By author, in the order in which a post reaches them.
    private let followersByAuthor: [[Int]]
    /// By person: how many they follow.
    private let followed: [Int]

    init() {
        var random = SplitMix64(seed: 0x60D_417)
        var everyone = Array(1...Self.people)
        var followed = [Int](repeating: 0, count: Self.people + 1)
        var byAuthor: [[Int]] = []
        byAuthor.reserveCapacity(Self.people + 1)
        for author in 0...Self.people {
            let count = max(1, Self.people / (author + 1))
            // The first steps of a Fisher-Yates shuffle choose `count` people, whatever order the last author's left behind.
            for position in 0..<count {
                everyone.swapAt(position, position + random.next(below: Self.people - position))
            }
            let followers = everyone[..<count].filter { $0 != author }
            for follower in followers { followed[follower] += 1 }
            byAuthor.append(followers)
        }
        followersByAuthor = byAuthor
        self.followed = followed
    }

    func followers(of author: Int) -> [Int] {
        followersByAuthor[author]
    }

    /// Some of an author's followers, up to but not including the position `to`; nil when there is no such author, or there are not so many.
    func followers(of author: Int, from: Int, to: Int) -> ArraySlice<Int>? {
        guard followersByAuthor.indices.contains(author), 0 <= from, from <= to, to <= followersByAuthor[author].count else { return nil }
        return followersByAuthor[author][from..<to]
    }

    /// How many people `person` follows.
    func followedCount(by person: Int) -> Int {
        followed[person]
    }

    /// An author's followers in chunks of at most `size`, as ranges of positions in ``followers(of:)``.
    func chunks(of author: Int, size: Int) -> [Range<Int>] {
        let count = followersByAuthor[author].count
        return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and the same numbers with every version of the standard library.
struct SplitMix64 {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not including `bound`, which is small enough that the bias of a product's upper half is nothing.
    mutating func next(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
