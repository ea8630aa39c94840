import NIOCore
import NIOPosix
import Synchronization

/// Stands between a client and a server, and cuts, delays and splits what they say to each other where a test says so.
final class CuttingProxy: Sendable {
    /// What happens to one request.
    enum Fault: Sendable, Hashable {
        /// The connection ends before the server gets anything of it.
        case beforeRequest
        /// The server gets so many bytes of it.
        case inRequest(after: Int)
        /// The server gets all of it, and the client nothing of the answer.
        case beforeAnswer
        /// The client gets so many bytes of the answer.
        case inAnswer(after: Int)
        /// The answer takes so long, and comes in pieces of so many bytes.
        case slowly(Duration, pieces: Int)
    }

    private struct State {
        var faults: [(path: String, fault: Fault)] = []
        /// Faults of chance: of so many requests of a hundred.
        var chance = 0
        var random = SeededNumbers(seed: 1)
        var met = 0
        var isDown = false
        var turnedAway = 0
        var passed: [String] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = Mutex(State())
    private let listener: any Channel
    let port: Int

    private init(listener: any Channel) {
        self.listener = listener
        port = listener.localAddress?.port ?? 0
    }

    /// Runs a proxy for the time of `body`.
    static func run<Value: Sendable>(to server: Int, _ body: @Sendable (CuttingProxy) async throws -> Value) async throws -> Value {
        let box = Mutex(CuttingProxy?.none)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { front in
                front.eventLoop.makeCompletedFuture {
                    guard let proxy = box.withLock({ $0 }) else { return }
                    try front.pipeline.syncOperations.addHandler(FrontHandler(proxy: proxy, server: server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let proxy = CuttingProxy(listener: listener)
        box.withLock { $0 = proxy }
        do {
            let value = try await body(proxy)
            await proxy.stop()
            return value
        } catch {
            await proxy.stop()
            throw error
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// Of how many requests something was cut.
    var met: Int { state.withLock { $0.met } }

    /// How many connections came while it was down.
    var turnedAway: Int { state.withLock { $0.turnedAway } }

    /// How many requests came that begin so, such as `POST /v1/commit`.
    func passed(_ line: String) -> Int { state.withLock { $0.passed.filter { $0.hasPrefix(line) }.count } }

    /// The next request to a path meets this; after those that were said before.
    func arm(_ fault: Fault, at path: String) { state.withLock { $0.faults.append((path, fault)) } }

    /// Of a hundred requests so many meet something.
    func takeChances(_ percent: Int, seed: UInt64) {
        state.withLock {
            $0.chance = percent
            $0.random = SeededNumbers(seed: seed)
        }
    }

    /// Ends all connections; with `isDown` none comes about until it is said otherwise.
    func cutAll(isDown: Bool = false) {
        let channels = state.withLock { state in
            state.isDown = isDown
            return Array(state.connections.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }

    private func stop() async {
        cutAll(isDown: true)
        try? await listener.close()
    }

    fileprivate func enter(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard !state.isDown else {
                state.turnedAway += 1
                return false
            }
            state.connections[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    fileprivate func leave(_ channel: any Channel) { state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) } }

    /// What the request meets that begins with these bytes; nil when none begins with them, or it meets nothing.
    fileprivate func fault(for bytes: ByteBuffer) -> Fault? {
        let head = String(decoding: bytes.readableBytesView.prefix(200), as: UTF8.self)
        guard ["GET ", "POST ", "DELETE "].contains(where: head.hasPrefix) else { return nil }
        return state.withLock { state in
            state.passed.append(String(head.prefix(while: { $0 != "\r\n" && $0 != "?" })))
            var fault: Fault?
            if let index = state.faults.firstIndex(where: { head.contains($0.path) }) {
                fault = state.faults.remove(at: index).fault
            } else if state.chance > 0, Int.random(in: 0..<100, using: &state.random) < state.chance {
                let count = Int.random(in: 1..<2_000, using: &state.random)
                fault =
                    switch Int.random(in: 0..<5, using: &state.random) {
                    case 0: .beforeRequest
                    case 1: .inRequest(after: count)
                    case 2: .beforeAnswer
                    case 3: .inAnswer(after: count)
                    default: .slowly(.milliseconds(count / 100), pieces: count)
                    }
            }
            if fault != nil { state.met += 1 }
            return fault
        }
    }
}

/// Numbers of chance that are the same for the same seed (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var number = state
        number = (number ^ (number >> 30)) &* 0xbf58_476d_1ce4_e5b9
        number = (number ^ (number >> 27)) &* 0x94d0_49bb_1331_11eb
        return number ^ (number >> 31)
    }
}

/// A client's side of a connection.
private final class FrontHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let proxy: CuttingProxy
    private let server: Int
    private var back: (any Channel)?
    private var waiting: [ByteBuffer] = []
    private var fault: CuttingProxy.Fault?
    /// Bytes of the request, and of the answer, since the fault began.
    private var sent = 0
    private var received = 0

    init(proxy: CuttingProxy, server: Int) {
        self.proxy = proxy
        self.server = server
    }

    func channelActive(context: ChannelHandlerContext) {
        guard proxy.enter(context.channel) else { return context.close(promise: nil) }
        let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { back in
                back.eventLoop.makeCompletedFuture {
                    let (front, context) = here.value
                    try back.pipeline.syncOperations.addHandler(BackHandler(front: front, context: context))
                }
            }
            .connect(host: "127.0.0.1", port: server)
            .whenComplete { result in
                let (front, context) = here.value
                switch result {
                case .success(let back): front.connected(back, context)
                case .failure: context.close(promise: nil)
                }
            }
    }

    private func connected(_ back: any Channel, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return back.close(promise: nil) }
        self.back = back
        for buffer in waiting { pass(buffer, context) }
        waiting = []
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if back == nil { waiting.append(buffer) } else { pass(buffer, context) }
    }

    private func pass(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        if let fault = proxy.fault(for: buffer) {
            self.fault = fault
            (sent, received) = (0, 0)
        }
        var buffer = buffer
        switch fault {
        case .beforeRequest: return cut(context)
        case .inRequest(let count) where sent + buffer.readableBytes > count:
            let rest = buffer.readSlice(length: max(0, count - sent)) ?? ByteBuffer()
            let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            back?.writeAndFlush(rest).whenComplete { _ in here.value.0.cut(here.value.1) }
            fault = .beforeAnswer
        default:
            sent += buffer.readableBytes
            back?.writeAndFlush(buffer, promise: nil)
        }
    }

    fileprivate func answered(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        var buffer = buffer
        switch fault {
        case .beforeAnswer, .beforeRequest, .inRequest: cut(context)
        case .inAnswer(let count) where received + buffer.readableBytes > count:
            let rest = buffer.readSlice(length: max(0, count - received)) ?? ByteBuffer()
            let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(rest)).whenComplete { _ in here.value.0.cut(here.value.1) }
            fault = .beforeAnswer
        case .slowly(let wait, let pieces):
            let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let whole = buffer
            context.eventLoop.scheduleTask(in: .milliseconds(Int64(wait / .milliseconds(1)))) {
                let (front, context) = here.value
                var whole = whole
                while let piece = whole.readSlice(length: min(pieces, whole.readableBytes)), piece.readableBytes > 0 {
                    context.writeAndFlush(front.wrapOutboundOut(piece), promise: nil)
                }
            }
        default:
            received += buffer.readableBytes
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        }
    }

    fileprivate func cut(_ context: ChannelHandlerContext) {
        back?.close(promise: nil)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        proxy.leave(context.channel)
        back?.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { cut(context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { cut(context) }
}

/// The server's side of a connection.
private final class BackHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let front: FrontHandler
    private let frontContext: ChannelHandlerContext

    init(front: FrontHandler, context: ChannelHandlerContext) {
        self.front = front
        frontContext = context
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { front.answered(unwrapInboundIn(data), frontContext) }
    func channelInactive(context: ChannelHandlerContext) { frontContext.close(promise: nil) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
