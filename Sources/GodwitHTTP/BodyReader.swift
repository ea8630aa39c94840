import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore

/// Reads a request's body up to a limit.
enum BodyReader {
    /// - Parameters:
    ///   - limit: the most bytes that are accepted.
    ///   - share: of the memory for bodies, taken as the body comes.
    ///   - drain: how much of what is over the limit is read and dropped, so that a client that is still sending can read the refusal.
    /// - Throws: ``Problem`` `too_large`, `overloaded`, or `invalid_argument` for a body that ended before its announced length.
    static func collect(_ request: Request, limit: Int, share: BodyBudget.Share, drain: Int) async throws -> Bytes {
        let announced = request.headers[.contentLength].flatMap { Int($0) }
        if request.headers[.expect]?.lowercased() == "100-continue" {
            // The client waits for a word before it sends: the refusal can be that word.
            if let announced, announced > limit { throw Problem.tooLarge(limit: limit) }
            Connection.current?.sendContinue()
        }
        var bytes: [UInt8] = []
        // What is only announced takes no memory yet.
        bytes.reserveCapacity(min(announced ?? 0, limit, 64 << 10))
        var dropped = 0
        for try await part in request.body {
            if dropped > 0 || bytes.count + part.readableBytes > limit {
                dropped += bytes.count + part.readableBytes
                bytes = []
                if dropped > limit + drain { break }
            } else {
                try share.take(part.readableBytes)
                part.withUnsafeReadableBytes { bytes.append(contentsOf: $0) }
            }
        }
        guard dropped == 0 else { throw Problem.tooLarge(limit: limit) }
        // A connection that was cut must not pass for a whole body.
        if let announced, announced != bytes.count {
            throw Problem.invalid("body", "the body ended after \(bytes.count) of \(announced) bytes: send it again")
        }
        return Bytes(bytes)
    }
}
