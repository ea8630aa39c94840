import Synchronization

/// What was done, as the next page says it: once, and to the browser that did it.
///
/// It stands in no address: it would come back whenever the page is loaded again, be said to whoever is sent the address, and could be made up. The
/// browser gets a random word for it.
final class PageNotes: Sendable {
    /// Notes that wait to be shown; beyond that the oldest goes.
    private static let most = 1_000
    /// How long one waits.
    private static let life: Duration = .seconds(300)

    private struct Note {
        let text: String
        let at: ContinuousClock.Instant
    }

    private let notes = Mutex([String: Note]())

    /// - Returns: the word that stands for it.
    func leave(_ text: String, now: ContinuousClock.Instant = .now) -> String {
        let word = RandomWord.draw()
        notes.withLock { notes in
            if notes.count >= Self.most {
                notes = notes.filter { now - $0.value.at < Self.life }
                if notes.count >= Self.most, let oldest = notes.min(by: { $0.value.at < $1.value.at }) { notes[oldest.key] = nil }
            }
            notes[word] = Note(text: text, at: now)
        }
        return word
    }

    /// The note that a word stands for; after that it stands for none.
    func take(_ word: String, now: ContinuousClock.Instant = .now) -> String? {
        guard let note = notes.withLock({ $0.removeValue(forKey: word) }), now - note.at < Self.life else { return nil }
        return note.text
    }
}
