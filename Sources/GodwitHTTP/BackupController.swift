import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore

/// Gives out the whole store as one archive, consistent as of the request, while it is in use.
///
/// Nothing is read ahead of what the client takes. What the archive keeps on disk is let go of when it ends, and when the client is gone.
struct BackupController: Sendable {
    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.get, "backup", .admin, handler: backup)] }

    @Sendable private func backup(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        guard let store = environment.broker as? any Archivable else {
            throw Problem(
                .notImplemented,
                "not_supported",
                "the broker behind these routes has no files of its own: back it up where it is"
            )
        }
        let archive = try await store.archive()
        // All payloads, and what the store signs ids with.
        exchange.audit.note("backup")
        let headers: HTTPFields = [
            .contentType: "application/x-tar", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
            .contentDisposition: "attachment; filename=\"\(archive.fileName)\"",
            // Said here and not by the body: it is read piece by piece, and so much is never in memory.
            .contentLength: String(archive.byteCount),
        ]
        let isOver = exchange.isOver
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody { writer in
                while let piece = try await archive.next() {
                    // What was announced and does not come shows that it is not whole.
                    if isOver() { throw CancellationError() }
                    try await writer.write(piece.withUnsafeBytes { ByteBuffer(bytes: $0) })
                }
                try await writer.finish(nil)
            }
        )
    }
}
