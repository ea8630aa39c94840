import Foundation
import Testing

@testable import Timeline

@Suite("Trending words")
struct TrendsTests {
    private func posts(_ texts: String...) -> [Post] {
        texts.enumerated().map { Post(id: "\($0.offset)", author: 0, text: $0.element, writtenAt: 0) }
    }

    @Test("a word counts once a post")
    func once() {
        let trends = Trends(of: posts("Godwit godwit GODWIT", "A godwit!"), at: Date(timeIntervalSince1970: 1))
        #expect(trends.words == [.init(word: "godwit", count: 2)])
        #expect(trends.madeAt == 1000)
    }

    @Test("small words are left out")
    func small() {
        #expect(Trends.words(of: "When the tide is out, they go there") == ["tide"])
    }

    @Test("the most frequent come first, equal ones by the alphabet, and only a few")
    func order() {
        let trends = Trends(of: posts("tide", "tide", "wind bird", "fern gulf hawk iris"), at: Date())
        #expect(trends.words.map(\.word) == ["tide", "bird", "fern", "gulf", "hawk", "iris"])
    }

    @Test("without posts there are no trends")
    func none() {
        #expect(Trends(of: [], at: Date()).words.isEmpty)
    }
}
