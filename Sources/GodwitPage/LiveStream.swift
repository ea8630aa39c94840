import GodwitCore
import GodwitHTTP
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// A page that is kept up to date: the part of it that changes, as server-sent events, whenever it looks different.
///
/// The browser opens it while the page is looked at, and closes it when it is not. A reader that does not read gets the newest state when it does:
/// the next look is taken only when the last one was taken off.
struct LiveStream: Sendable {
    /// Changes that come faster than this are shown together.
    private static let pace: Duration = .milliseconds(250)
    /// How long after a failure is looked again.
    private static let patience: Duration = .seconds(5)
    /// How long a stream may be without a sign that it is there.
    private static let keepAlive: Duration = .seconds(15)

    let view: PageView
    let request: Request
    let memory: LookMemory
    /// What whoever looks may do, as of the first look.
    let access: PageAccess
    let environment: PageEnvironment

    static func isWanted(by request: Request) -> Bool { request.headers[.accept]?.contains("text/event-stream") == true }

    /// Why nothing more will come: the script does not ask again.
    enum End {
        /// The page loads itself anew, and asks for a token.
        case loggedOut
        /// This alone is shown from now on; nil leaves what is shown.
        case gone(PageContent?)

        fileprivate var event: ByteBuffer {
            switch self {
            case .loggedOut: return ByteBuffer(string: "event: over\ndata: reload\n\n")
            case .gone(let content):
                guard let content else { return ByteBuffer(string: "event: over\ndata: stay\n\n") }
                var buffer = LiveStream.event(content.part)
                buffer.writeString("event: over\ndata: gone\n\n")
                return buffer
            }
        }
    }

    func response(first: PageContent) -> Response {
        Self.response(
            ResponseBody { writer in
                if let end = try await write(first, to: &writer) { try await writer.write(end.event) }
                try await writer.finish(nil)
            }
        )
    }

    /// What is answered where nothing will ever come. An error's status would not do: the browser keeps it to itself, and the script would ask
    /// again and again.
    static func over(_ end: End, headers: HTTPFields = [:]) -> Response { response(ResponseBody(byteBuffer: end.event), headers) }

    private static func response(_ body: ResponseBody, _ headers: HTTPFields = [:]) -> Response {
        var response = Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .vary: "Accept"],
            body: body
        )
        response.headers.append(contentsOf: headers)
        response.headers[HTTPField.Name("X-Accel-Buffering")!] = "no"  // a literal token
        response.guardPage()
        return response
    }

    /// - Returns: why it ended; nil when the server stops, or the reader is gone.
    private func write(_ first: PageContent, to writer: inout any ResponseBodyWriter) async throws -> End? {
        var content = first
        var shown = content.part
        try await writer.write(Self.event(shown))
        var quiet = Duration.zero, tenure = access.access.tenure
        while !isOver {
            quiet += try await wait(for: content.refresh, tenure)
            if isOver { return nil }
            do {
                // Whoever looked may have lost the right to.
                guard let access = try environment.access(of: request.head) else { return .loggedOut }
                tenure = access.access.tenure
                content = try await view.content(
                    Look(
                        request,
                        options: view.options,
                        repeatable: view.repeatable,
                        access: access,
                        environment: environment,
                        memory: memory
                    )
                )
            } catch is CancellationError { return nil } catch let error as BrokerError {
                content = .message(title: error.isOfWhatIsGone ? "Gone" : "Not now", error.message)
                if error.isOfWhatIsGone { return .gone(content) }
                content.refresh = .every(Self.patience)
            } catch let error as Problem {
                // Nobody could say whether the token is still good: what is over already ends no wait any more.
                tenure = Tenure()
                content = .message(title: error.status.reasonPhrase, error.detail)
                content.refresh = .every(Self.patience)
            }
            let part = content.part
            if part != shown {
                shown = part
                quiet = .zero
                try await writer.write(Self.event(part))
            } else if quiet >= Self.keepAlive {
                quiet = .zero
                try await writer.write(ByteBuffer(string: ": here\n\n"))
            }
            if case .never = content.refresh { return .gone(nil) }
        }
        return nil
    }

    private var isOver: Bool {
        environment.interruptions.contains { $0?.isSet == true } || Task.isShuttingDownGracefully || Task.isCancelled
    }

    /// No longer than whoever looks may.
    /// - Returns: how long that took, at the least.
    private func wait(for refresh: PageContent.Refresh, _ tenure: Tenure) async throws -> Duration {
        let broker = environment.broker, now = environment.now
        let start = ContinuousClock.now
        try await interruptible(by: environment.interruptions + [tenure.revoked]) {
            switch refresh {
            case .never: break
            case .every(let time): try? await Task.sleep(for: tenure.left(at: now(), atMost: time))
            case .change(let job, let version):
                try? await Task.sleep(for: Self.pace)
                do throws(BrokerError) {
                    _ = try await broker.watch([.job(job, known: version)], wait: tenure.left(at: now(), atMost: Self.keepAlive))
                } catch  where !error.isOfWhatIsGone {
                    // The next look says what there is to say.
                    try? await Task.sleep(for: tenure.left(at: now(), atMost: Self.patience))
                } catch {}
            }
        }
        return start.duration(to: .now)
    }

    private static func event(_ part: String) -> ByteBuffer {
        var buffer = ByteBuffer(string: "event: part\n")
        for line in part.split(separator: "\n", omittingEmptySubsequences: false) { buffer.writeString("data: \(line)\n") }
        buffer.writeString("\n")
        return buffer
    }
}

extension BrokerError {
    /// Whether what was looked at is not there, and will not come back.
    var isOfWhatIsGone: Bool { [.jobNotFound, .jobForgotten, .queueNotFound].contains(code) }
}
