import GodwitHTTP
import HTTPTypes
import NIOCore
import NIOHTTP1

/// Refuses requests of which two readers could see two different things, before anything is made of them: another end (RFC 9112, section 6), or
/// another target (section 3.2). The decoder refuses most of them itself; what a proxy in front might read otherwise is refused here.
final class RequestGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    /// What was wrong, for whoever answers.
    struct Violation: Error {
        var problem: Problem
    }

    /// What follows a request that was refused may be a part of it.
    private var isShut = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isShut else { return }
        if case .head(let head) = unwrapInboundIn(data), let problem = Self.problem(head) {
            isShut = true
            return context.fireErrorCaught(Violation(problem: problem))
        }
        context.fireChannelRead(data)
    }

    /// Why a request is refused; nil when its head can be read in one way only.
    static func problem(_ head: HTTPRequestHead) -> Problem? {
        let codings = head.headers["Transfer-Encoding"]
        if !codings.isEmpty {
            guard codings.count == 1, codings[0].lowercased() == "chunked", head.version != .http1_0 else {
                return refusal("Transfer-Encoding", "the body must come as it is, with its Content-Length, or in chunks and nothing else")
            }
        }
        switch Target(head) {
        case .path: return nil
        case .authority(let authority):
            let hosts = head.headers["Host"]
            guard hosts.count == 1, hosts[0].lowercased() == authority.lowercased() else {
                return refusal("Host", "the request's target and its Host header name two different servers")
            }
            return nil
        case .other: return refusal("target", "a request's target is a path, such as /v1/queues")
        }
    }

    private static func refusal(_ field: String, _ detail: String) -> Problem { Problem(.badRequest, "bad_request", detail, field: field) }

    /// What a request line asks for.
    private enum Target {
        /// `/path?query`, or `*` of OPTIONS.
        case path
        /// `http://authority/path?query`, as proxies are asked.
        case authority(Substring)
        case other

        init(_ head: HTTPRequestHead) {
            if head.method == .CONNECT {
                self = .other
            } else if head.uri.utf8.first == UInt8(ascii: "/") || head.uri == "*" && head.method == .OPTIONS {
                self = .path
            } else if let scheme = ["http://", "https://"].first(where: { head.uri.lowercased().hasPrefix($0) }) {
                self = .authority(head.uri.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" })
            } else {
                self = .other
            }
        }
    }
}

@available(*, unavailable)
extension RequestGate: Sendable {}
