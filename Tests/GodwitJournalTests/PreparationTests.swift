import GodwitJournal
import Testing

@Suite("Segments made ahead of need")
struct PreparationTests {
    @Test("a preparation that is told to stop stops between two pieces and leaves no file behind")
    func stopping() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(segment: 8 << 20, first: 16 << 10))
        let begun = journal.beginPreparation()
        let preparation = try #require(begun)
        var pieces = 0
        let prepared = try preparation.run(unless: {
            pieces += 1
            return pieces > 3
        })
        #expect(prepared == nil && pieces == 4)
        #expect(storage.files.allSatisfy { !$0.hasPrefix("spare-") })
        journal.endPreparation(nil)
        let again = journal.beginPreparation()
        journal.endPreparation(try again?.run())
        #expect(storage.files.contains { $0.hasPrefix("spare-") })
        try journal.close()
    }
}
