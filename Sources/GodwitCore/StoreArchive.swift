/// A store that can be copied, as it is at one moment, while it is in use.
///
/// It stands beside ``Broker``: an embedded engine can do it, a broker elsewhere need not.
package protocol Archivable: Sendable {
    /// An archive of the whole store, in which is everything that was confirmed before the call.
    ///
    /// What it is made of is kept on disk until the archive is read to its end, or let go of.
    /// - Throws: `busy` when too many archives are being read, `closed`, `storeFailed`.
    func archive() async throws(BrokerError) -> any StoreArchive
}

/// A store's archive, read piece by piece by one reader.
package protocol StoreArchive: Sendable {
    /// The length of the whole archive.
    var byteCount: Int { get }
    /// A name for it as a file, such as `godwit-20261124T220743Z.tar`.
    var fileName: String { get }

    /// The next piece, of a bounded size; nil after the last. Nothing is read ahead: a slow reader costs no memory.
    /// - Throws: `storeFailed`, `storeCorrupt` when a file cannot be read.
    func next() async throws(BrokerError) -> Bytes?
}
