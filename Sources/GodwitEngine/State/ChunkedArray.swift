/// An array in chunks: growing moves nothing, and a copy that is kept (a snapshot) costs a later change the copying of one chunk, not of all.
struct ChunkedArray<Element> {
    private static var chunkSize: Int { 512 }
    private var chunks: [[Element]] = []
    private(set) var count = 0

    init() {}

    var indices: Range<Int> { 0..<count }

    subscript(index: Int) -> Element {
        get { chunks[index / Self.chunkSize][index % Self.chunkSize] }
        set { chunks[index / Self.chunkSize][index % Self.chunkSize] = newValue }
    }

    mutating func append(_ element: Element) {
        if count % Self.chunkSize == 0 {
            var chunk: [Element] = []
            // A short one is often all that there ever is.
            if count > 0 { chunk.reserveCapacity(Self.chunkSize) }
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(element)
        count += 1
    }
}

extension ChunkedArray: Sendable where Element: Sendable {}
