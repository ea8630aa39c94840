import Crypto
import GodwitCore
import GodwitHTTP

/// A bearer token as the server knows it: never itself, only its SHA-256.
struct AccessToken: Sendable, Hashable {
    let digest: TokenDigest
    let access: Grant
    /// Refused from then on; nil for never.
    let expiresAt: Timestamp?
}

/// The SHA-256 of a token. A token is long and random, so a plain hash is no help to whoever reads the file.
struct TokenDigest: Sendable, Hashable {
    private let bytes: [UInt8]

    init(of token: String) { bytes = Array(SHA256.hash(data: Array(token.utf8))) }

    /// Nil for what is no 64 hexadecimal digits.
    init?(hexadecimal text: String) {
        guard text.utf8.count == 64, let bytes = Hexadecimal.decode(text) else { return nil }
        self.bytes = bytes
    }
}
