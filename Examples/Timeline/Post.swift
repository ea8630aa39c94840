/// What somebody said: the payload of the job that delivers it, and an entry in the timelines' file.
struct Post: Codable, Sendable, Equatable {
    /// Chosen by the author's client, which may send a post again when it never saw the answer: the same id is the same post.
    var id: String
    /// The author's number, see ``FollowerGraph``.
    var author: Int
    var text: String
    /// When it was written, by the author's clock: milliseconds since 1970, as browsers count.
    var writtenAt: Int

    static let longestText = 280
    static let longestID = 64

    /// What is wrong with the post, said so that its author can put it right; nil when it can be published.
    var problem: (field: String, message: String)? {
        let isIDGood = (1...Self.longestID).contains(id.utf8.count) && id.utf8.allSatisfy(Self.isIDByte)
        guard isIDGood else { return ("id", "id must be 1 to \(Self.longestID) letters, digits, - or _, for example a UUID") }
        guard (0...FollowerGraph.people).contains(author) else {
            return ("author", "author must be 0 (you) to \(FollowerGraph.people)")
        }
        let hasWords = text.contains { !$0.isWhitespace }
        guard hasWords else { return ("text", "text must not be empty") }
        // Characters as people count them, and a bound on bytes, for one character can be any number of bytes.
        guard text.count <= Self.longestText, text.utf8.count <= 4 * Self.longestText else {
            return ("text", "text must be at most \(Self.longestText) characters, and \(4 * Self.longestText) bytes")
        }
        guard (0...8_640_000_000_000_000).contains(writtenAt) else {
            return ("writtenAt", "writtenAt must be milliseconds since 1970")
        }
        return nil
    }

    private static func isIDByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
}
