import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird
import NIOCore

/// The form in which a request's body comes, or its answer is given: for people and every language, or for Godwit's own clients.
enum BodyForm {
    case json, batch

    /// What a body is. One without a type, or with the one that `curl -d` sends unasked, is JSON.
    /// - Throws: ``Problem`` `unsupported_media_type`.
    init(ofBody headers: HTTPFields) throws(Problem) {
        switch MediaType.essence(headers[.contentType] ?? "") {
        case WireFormat.mediaType: self = .batch
        case "", "application/json", "application/x-www-form-urlencoded": self = .json
        case let type where MediaType.isJSON(type): self = .json
        default:
            let batch = WireFormat.mediaType
            throw .unsupportedType("send application/json or \(batch)", accepts: "application/json, \(batch)")
        }
    }

    static func isBatch(_ headers: HTTPFields) -> Bool { MediaType.essence(headers[.contentType] ?? "") == WireFormat.mediaType }

    /// The form that the client asks for, else the one in which its request came.
    func answer(to headers: HTTPFields) -> BodyForm {
        let json = Self.quality(of: "application/json", in: headers), batch = Self.quality(of: WireFormat.mediaType, in: headers)
        switch (json, batch) {
        case (nil, nil): return self
        case (let json?, let batch?) where json == batch: return self
        case (let json, let batch): return (batch ?? -1) > (json ?? -1) ? .batch : .json
        }
    }

    /// Whether the client says that it reads batches.
    static func acceptsBatch(_ headers: HTTPFields) -> Bool { quality(of: WireFormat.mediaType, in: headers) != nil }

    /// How much the client wants a type that it names; nil when it does not (RFC 9110, section 12.5.1).
    private static func quality(of type: String, in headers: HTTPFields) -> Double? {
        for value in headers[values: .accept] {
            for range in value.split(separator: ",") where MediaType.essence(String(range)) == type {
                var quality = 1.0
                for parameter in range.split(separator: ";").dropFirst() {
                    let pair = parameter.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\t" } }
                    if pair.count == 2, pair[0].lowercased() == "q" { quality = Double(pair[1]) ?? 0 }
                }
                return quality > 0 ? quality : nil
            }
        }
        return nil
    }
}

extension Response {
    /// An answer in batch frames.
    static func batch(_ bytes: [UInt8], status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) -> Response {
        var headers = headers
        headers[.contentType] = WireFormat.mediaType
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}

extension Problem {
    static func unsupportedType(_ detail: String, accepts types: String) -> Problem {
        var problem = Problem(
            .unsupportedMediaType,
            "unsupported_media_type",
            "this request does not take this type: \(detail)",
            field: "Content-Type"
        )
        problem.headers[.accept] = types
        return problem
    }

    /// Frames that cannot be read.
    init(_ error: WireError) {
        switch error.reason {
        case .newerMajor: self.init(.unsupportedMediaType, "unsupported_version", "\(error)", field: "body")
        case .damaged, .unknown, .unacceptable: self.init(.badRequest, "invalid_batch", "this is no valid batch: \(error)", field: "body")
        }
    }

    /// The refusal for a client that reads batches. What only says to come back later is one thing to it.
    var batchResponse: Response {
        let isBusy = status == .serviceUnavailable && ["draining", "overloaded"].contains(code)
        let error = BrokerError(isBusy ? .busy : BrokerError.Code(rawValue: code), detail, field: field, retryAfter: retryAfter)
        var headers = headers
        if let seconds = retryAfterSeconds { headers[.retryAfter] = String(seconds) }
        return .batch(Wire.encode(error), status: status, headers: headers)
    }
}
