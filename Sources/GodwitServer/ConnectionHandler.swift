import GodwitCore
import GodwitHTTP
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import Synchronization

/// Watches over one connection, between the HTTP codec and the server: how long the client takes, how much it sends unasked,
/// when it is gone.
///
/// - A client that does not send a whole request in time (a slow loris), that stands idle too long, or that does not take its
///   answer is cut off.
/// - What still comes of a request that was answered already is dropped up to a limit, then the connection is closed.
/// - An answer with `Connection: close` is the connection's last. So is the answer to a client that offers to go on in another protocol: nothing that
///   comes after such a request is read as HTTP.
/// - The ``Connection`` hears of the peer's end and of each answer's way to the network.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let connection: Connection
    private let limits: ConnectionLimits
    private let statistics: ServerStatistics
    private var state = ConnectionTiming()
    private var timer: (deadline: NIODeadline, scheduled: Scheduled<Void>)?
    /// What to tell a client that speaks no HTTP, when its turn has come.
    private var violation: Problem?
    private var closesAfterAnswer = false
    private var answers = 0
    private var requests = 0
    /// The number of the request that offered another protocol.
    private var upgrade: Int?

    init(connection: Connection, limits: ConnectionLimits, statistics: ServerStatistics) {
        self.connection = connection
        self.limits = limits
        self.statistics = statistics
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let loopBound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        connection.onContinue {
            eventLoop.execute {
                let (handler, context) = loopBound.value
                context.writeAndFlush(handler.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
        }
        if context.channel.isActive { began(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.scheduled.cancel()
        timer = nil
        connection.end()
    }

    func channelActive(context: ChannelHandlerContext) {
        began(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.scheduled.cancel()
        timer = nil
        connection.end()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { connection.closed.set() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            requests += 1
            if head.offersUpgrade { upgrade = requests }
            watch(context, until: state.headRead(now: .now(), limits: limits))
        case .body(let buffer):
            guard state.bodyRead(buffer.readableBytes, limits: limits) else { return cut(context) }
        case .end: watch(context, until: state.requestEnded(now: .now(), limits: limits))
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? RequestGate.Violation {
            violation = violation ?? error.problem
            // What the server below answers.
            return context.fireErrorCaught(HTTPParserError.unknown)
        }
        if violation == nil, let error = error as? HTTPParserError { violation = .violation(error) }
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            // The server below answers in the order of the requests, here as everywhere, but with a bare 400.
            if let violation, head.status == .badRequest, head.headerFields[.contentLength] == "0" {
                return refuse(violation, context: context, promise: promise)
            }
            guard head.status.kind != .informational else { return context.write(data, promise: promise) }
            if upgrade == answers + 1 { head.headerFields[.connection] = "close" }
            if head.headerFields[.connection]?.lowercased() == "close" { closesAfterAnswer = true }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            watch(context, until: state.responseEnded(now: .now(), limits: limits))
            let written = promise ?? context.eventLoop.makePromise(of: Void.self)
            answers += 1
            let number = answers
            let closes = closesAfterAnswer
            let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
            written.futureResult.whenComplete { [connection] result in
                let succeeded = if case .success = result { true } else { false }
                connection.responseWritten(number, succeeded: succeeded)
                if closes { loopBound.value.close(promise: nil) }
            }
            context.write(data, promise: written)
        }
    }

    private func refuse(_ violation: Problem, context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        var (head, body) = violation.document
        head.headerFields[.connection] = "close"
        closesAfterAnswer = true
        statistics.answered(status: head.status.code)
        context.write(wrapOutboundOut(.head(head)), promise: promise)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        watch(context, until: state.writabilityChanged(context.channel.isWritable, now: .now(), limits: limits))
        context.fireChannelWritabilityChanged()
    }

    private func began(_ context: ChannelHandlerContext) {
        watch(context, until: state.began(now: .now(), limits: limits))
    }

    /// Keeps at most one timer: a later deadline is met by the timer that fires too early and sets itself again.
    private func watch(_ context: ChannelHandlerContext, until deadline: NIODeadline?) {
        guard let deadline, context.channel.isActive else { return }
        if let timer {
            guard deadline < timer.deadline else { return }
            timer.scheduled.cancel()
        }
        let scheduled = context.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(deadline: deadline) { [weak self] in
            guard let self else { return }
            self.timer = nil
            guard let deadline = self.state.deadline else { return }
            if deadline <= .now() {
                self.statistics.timeouts.add(1, ordering: .relaxed)
                self.cut(context)
            } else {
                self.watch(context, until: deadline)
            }
        }
        timer = (deadline, scheduled)
    }

    private func cut(_ context: ChannelHandlerContext) {
        connection.end()
        context.close(promise: nil)
    }
}

extension HTTPRequest {
    /// `Upgrade`, with the word in `Connection` that makes it more than a header: the decoder stops there.
    fileprivate var offersUpgrade: Bool {
        !headerFields[values: .upgrade].isEmpty && headerFields[values: .connection].contains { $0.lowercased().contains("upgrade") }
    }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}
