/// The unit in which disks and page caches rewrite: groups start on its multiples, and no block is written twice.
enum Block {
    static let size = 4096

    /// The smallest multiple of the block size that is not under `bytes`.
    static func roundUp(_ bytes: Int) -> Int { (bytes + size - 1) & ~(size - 1) }
}
