import Testing

@testable import Timeline

@Suite("The graph of followers")
struct FollowerGraphTests {
    static let graph = FollowerGraph()
    var graph: FollowerGraph { Self.graph }

    @Test("everyone follows you, each once")
    func you() {
        #expect(Set(graph.followers(of: 0)) == Set(1...10_000))
        #expect(graph.followers(of: 0).count == 10_000)
    }

    @Test("popularity is a power law", arguments: [(1, 5_000), (9, 1_000), (99, 100), (999, 10), (10_000, 1)])
    func powerLaw(author: Int, followers: Int) {
        // One less when the author was drawn among them: nobody follows themselves.
        #expect((followers - 1...followers).contains(graph.followers(of: author).count))
    }

    @Test("nobody follows themselves, or anyone twice")
    func simple() {
        for author in 0...FollowerGraph.people {
            let followers = graph.followers(of: author)
            #expect(!followers.contains(author))
            #expect(Set(followers).count == followers.count)
        }
    }

    @Test("it is the same in every run, for interrupted deliveries go on in it")
    func deterministic() {
        let again = FollowerGraph()
        for author in [0, 1, 7, 500, 10_000] { #expect(again.followers(of: author) == graph.followers(of: author)) }
        // And with every toolchain: these were drawn when the example was written.
        #expect(Array(graph.followers(of: 0).prefix(4)) == [8576, 3208, 3707, 9103])
        #expect(Array(graph.followers(of: 1).prefix(4)) == [6491, 3847, 4271, 9684])
    }

    @Test("chunks cover all followers, in order, without overlap", arguments: [0, 1, 3, 20, 10_000])
    func chunks(author: Int) {
        let chunks = graph.chunks(of: author, size: 500)
        #expect(chunks.flatMap { Array($0) } == Array(0..<graph.followers(of: author).count))
        #expect(chunks.allSatisfy { $0.count <= 500 })
    }

    @Test("those who are followed add up to those who follow")
    func sums() {
        let followers = (0...FollowerGraph.people).reduce(0) { $0 + graph.followers(of: $1).count }
        let followed = (0...FollowerGraph.people).reduce(0) { $0 + graph.followedCount(by: $1) }
        #expect(followers == followed)
        #expect(graph.followedCount(by: 0) == 0)
    }

    @Test("ten thousand people have ten thousand names")
    func names() {
        #expect(Set((1...FollowerGraph.people).map(People.name)).count == FollowerGraph.people)
        #expect(People.name(0) == "You")
    }
}
