import Foundation
import Synchronization

/// The words that most posts of late have in common.
struct Trends: Codable, Sendable, Equatable {
    struct Word: Codable, Sendable, Equatable {
        var word: String
        var count: Int
    }

    var words: [Word] = []
    /// Milliseconds since 1970.
    var madeAt = 0

    static let shown = 6
    /// How many of the newest posts are counted.
    static let posts = 2_000

    /// Counts each word once a post. Equal counts are in alphabetical order, so that the list does not flicker.
    init(of posts: some Sequence<Post>, at date: Date) {
        var counts: [String: Int] = [:]
        for post in posts {
            for word in Set(Self.words(of: post.text)) { counts[word, default: 0] += 1 }
        }
        words = counts.map(Word.init)
            .sorted { ($1.count, $0.word) < ($0.count, $1.word) }
            .prefix(Self.shown).map { $0 }
        madeAt = Int(date.timeIntervalSince1970 * 1000)
    }

    init() {}

    /// Lowercased, without the small words that every text is full of.
    static func words(of text: String) -> [String] {
        text.lowercased()
            .split { !$0.isLetter && !$0.isNumber && $0 != "’" && $0 != "'" }
            .map(String.init)
            .filter { $0.count >= 4 && !common.contains($0) }
    }

    private static let common: Set<String> = [
        "about", "after", "again", "also", "back", "beats", "been", "before", "could", "does", "dreaming", "each", "else", "even", "every",
        "finally", "from", "have",
        "here", "into",
        "just", "like", "long", "loves", "make", "many", "more", "most", "much", "nothing", "only", "other", "over", "some", "such", "than",
        "that",
        "their", "them", "then", "there", "these", "they", "this", "very", "waiting", "want", "watching", "were", "what", "when", "where",
        "which",
        "while",
        "will", "with", "would", "your",
    ]
}

/// The latest count.
final class TrendBoard: Sendable {
    private let latest = Mutex(Trends())
    private let changes: Changes

    init(changes: Changes) {
        self.changes = changes
    }

    var trends: Trends {
        get { latest.withLock { $0 } }
        set {
            latest.withLock { $0 = newValue }
            changes.notify()
        }
    }
}
