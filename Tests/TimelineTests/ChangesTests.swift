import Testing

@testable import Timeline

@Suite("Changes")
struct ChangesTests {
    @Test("a listener is woken at once, and changes while it is busy are one", .timeLimit(.minutes(1)))
    func coalesce() async {
        let changes = Changes()
        var iterator = changes.stream().makeAsyncIterator()
        await #expect(iterator.next() != nil)
        for _ in 0..<100 { changes.notify() }
        await #expect(iterator.next() != nil)
        let next = Task { [iterator] in
            var iterator = iterator
            return await iterator.next() != nil
        }
        changes.notify()
        #expect(await next.value)
    }
}
