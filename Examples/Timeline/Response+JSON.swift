import Foundation
import HTTPTypes
import Hummingbird

extension Response {
    init(status: HTTPResponse.Status = .ok, json value: some Encodable) throws {
        let bytes = try JSONEncoder().encode(value)
        self.init(
            status: status,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }
}
