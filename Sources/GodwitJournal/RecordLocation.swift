/// Where a record lies: a segment's number, and the byte in its file at which the record's header starts.
package struct RecordLocation: Hashable, Sendable, BitwiseCopyable, Comparable, CustomStringConvertible {
    package var segment: UInt32
    package var offset: UInt32

    package init(segment: UInt32, offset: UInt32) {
        self.segment = segment
        self.offset = offset
    }

    /// The name of the segment's file.
    package var file: String { FileName.segment(segment) }

    package var description: String { "\(FileName.segment(segment)) at offset \(offset)" }

    /// The order in which the journal was written.
    package static func < (left: Self, right: Self) -> Bool {
        (left.segment, left.offset) < (right.segment, right.offset)
    }
}
