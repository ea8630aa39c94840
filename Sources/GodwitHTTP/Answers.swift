import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// An answer in JSON.
    static func json(_ status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], _ body: (inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        body(&json)
        var headers = headers
        headers[.contentType] = "application/json"
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: json.buffer))
    }

    /// Bytes that somebody else made, in a way that no browser runs them as a page of this server.
    static func content(_ content: Content) -> Response {
        // Who published may have called it anything; what HTTP cannot say is just bytes.
        let headers: HTTPFields = [
            .contentType: MediaType.isSayable(content.type) ? content.type : Content.binary, .cacheControl: "no-store",
            .xContentTypeOptions: "nosniff", .contentSecurityPolicy: "default-src 'none'; sandbox",
        ]
        let buffer = content.bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: buffer))
    }
}
