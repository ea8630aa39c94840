/// An array in chunks: growing moves nothing, and a copy that is kept (a snapshot) costs a later change the copying of one chunk, not of all.
struct ChunkedArray<Element> {
    private static var chunkBits: Int { 9 }
    private static var chunkSize: Int { 1 << chunkBits }
    private var chunks: [[Element]] = []
    private(set) var count = 0

    init() {}

    var indices: Range<Int> { 0..<count }

    subscript(index: Int) -> Element {
        @inline(__always) get { chunks[index >> Self.chunkBits][index & (Self.chunkSize - 1)] }
        // In its place: an element is changed one member at a time.
        @inline(__always) _modify { yield &chunks[index >> Self.chunkBits][index & (Self.chunkSize - 1)] }
    }

    mutating func append(_ element: Element) {
        if count == chunks.count * Self.chunkSize {
            var chunk: [Element] = []
            // A short one is often all that there ever is.
            if count > 0 { chunk.reserveCapacity(Self.chunkSize) }
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(element)
        count += 1
    }

    mutating func removeLast() -> Element {
        count -= 1
        let last = chunks[chunks.count - 1].removeLast()
        if count % Self.chunkSize == 0, count > 0 { chunks.removeLast() }
        return last
    }
}

extension ChunkedArray: Sendable where Element: Sendable {}
