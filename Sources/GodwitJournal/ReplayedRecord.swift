/// A record as ``Journal/open(_:options:replay:)`` hands it out: verified, and valid only during the call.
package struct ReplayedRecord: ~Copyable {
    /// What kind of record the engine said it is.
    package let kind: UInt8
    /// Whether a reader that does not know the kind must refuse the store instead of skipping the record.
    package let critical: Bool
    /// The record's number: 1 for the store's first, then one more each.
    package let number: UInt64
    /// Where it lies, for ``JournalReader``.
    package let location: RecordLocation
    /// The record's header bytes, valid during the call.
    package let header: UnsafeRawBufferPointer
    /// The record's body, valid during the call.
    package let body: UnsafeRawBufferPointer
}
