import Testing

@testable import Timeline

@Suite("Posts")
struct PostTests {
    private func post(id: String = "a-1", author: Int = 0, text: String = "Hello", writtenAt: Int = 0) -> Post {
        Post(id: id, author: author, text: text, writtenAt: writtenAt)
    }

    @Test("a good post has no problem", arguments: ["Hello", String(repeating: "ü", count: 280), "👩‍👩‍👧‍👦 and the tide"])
    func good(text: String) {
        #expect(post(text: text).problem == nil)
    }

    @Test("a post without words is refused", arguments: ["", "  \n\t"])
    func empty(text: String) {
        #expect(post(text: text).problem?.field == "text")
    }

    @Test("a long post is refused, and so is one of few characters and many bytes")
    func long() {
        #expect(post(text: String(repeating: "a", count: 281)).problem?.field == "text")
        #expect(post(text: "e" + String(repeating: "\u{301}", count: 2_000)).problem?.field == "text")
    }

    @Test("an id is short and plain", arguments: ["", "a b", "é", "../x", String(repeating: "a", count: 65)])
    func id(id: String) {
        #expect(post(id: id).problem?.field == "id")
    }

    @Test("authors and times are within their bounds")
    func bounds() {
        #expect(post(author: -1).problem?.field == "author")
        #expect(post(author: 10_001).problem?.field == "author")
        #expect(post(writtenAt: -1).problem?.field == "writtenAt")
        #expect(post(author: 10_000, writtenAt: 8_640_000_000_000_000).problem == nil)
    }
}
