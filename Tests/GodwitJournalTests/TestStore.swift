import GodwitJournal
import Synchronization
import Testing

/// A record as a test compares it.
struct Entry: Equatable, Sendable {
    var kind: UInt8
    var critical = true
    var header: [UInt8]
    var body: [UInt8]
}

/// A record as it was replayed.
struct Replayed: Equatable, Sendable {
    var entry: Entry
    var number: UInt64
    var location: RecordLocation
}

/// Small segments, and random numbers by seed.
func options(
    segment: Int = 64 << 10,
    first: Int = 64 << 10,
    group: Int = 4 << 20,
    spares: Int = 1,
    reserve: Int = 1,
    openFiles: Int = 64,
    seed: UInt64 = 1
) -> JournalOptions {
    let random = SharedRandom(seed: seed)
    return JournalOptions(
        segmentBytes: segment,
        firstSegmentBytes: first,
        groupBytes: group,
        spareSegments: spares,
        reserveSegments: reserve,
        openFiles: openFiles,
        random: { random.next() }
    )
}

private final class SharedRandom: Sendable {
    private let generator: Mutex<SplitMix64>
    init(seed: UInt64) { generator = Mutex(SplitMix64(seed: seed)) }
    func next() -> UInt64 { generator.withLock { $0.next() } }
}

func open(_ storage: any Storage, _ options: JournalOptions = options()) throws -> OpenedJournal {
    try OpenedJournal(storage, options)
}

/// What a store holds, read by opening and closing it.
func contents(of storage: any Storage, _ options: JournalOptions = options()) throws -> [Entry] {
    let journal = try open(storage, options)
    try journal.close()
    return journal.entries
}

/// A record whose bytes tell its number.
func entry(_ number: Int, bytes: Int = 100, header: Int = 12) -> Entry {
    Entry(
        kind: UInt8(number % 200),
        critical: number % 2 == 0,
        header: (0..<header).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0) },
        body: (0..<bytes).map { UInt8(truncatingIfNeeded: number &* 7 &+ $0) }
    )
}

extension MemoryStorage {
    /// All files and their bytes.
    var snapshot: [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: files.map { ($0, contents(of: $0) ?? []) })
    }

    /// A storage with these files, all durable.
    convenience init(files: [String: [UInt8]]) {
        self.init()
        for (name, bytes) in files { replace(name, with: bytes) }
    }
}
