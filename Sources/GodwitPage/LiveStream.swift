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
    /// How long a stream may be without a sign that it is there.
    private static let keepAlive: Duration = .seconds(15)

    let view: PageView
    let request: Request
    let environment: PageEnvironment

    static func isWanted(by request: Request) -> Bool { request.headers[.accept]?.contains("text/event-stream") == true }

    func response(first: PageContent) -> Response {
        var response = Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .vary: "Accept"],
            body: ResponseBody { writer in
                try await write(first, to: &writer)
                try await writer.finish(nil)
            }
        )
        response.headers[HTTPField.Name("X-Accel-Buffering")!] = "no"  // a literal token
        response.guardPage()
        return response
    }

    private func write(_ first: PageContent, to writer: inout any ResponseBodyWriter) async throws {
        var content = first
        var shown = content.part
        try await writer.write(Self.event(shown))
        var quiet = Duration.zero
        while !isOver {
            quiet += try await wait(for: content.refresh)
            // Whoever looked may have lost the right to.
            guard !isOver, let access = environment.access(of: request.head) else { return }
            do {
                content = try await view.content(Look(request, options: view.options, access: access, environment: environment))
            } catch is CancellationError { return } catch let error as BrokerError {
                content = .message(title: "Gone", error.message)
            } catch let error as Problem {
                content = .message(title: error.status.reasonPhrase, error.detail)
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
            if case .never = content.refresh { return }
        }
    }

    private var isOver: Bool {
        environment.interruptions.contains { $0?.isSet == true } || Task.isShuttingDownGracefully || Task.isCancelled
    }

    /// - Returns: how long that took, at the least.
    private func wait(for refresh: PageContent.Refresh) async throws -> Duration {
        let broker = environment.broker
        let start = ContinuousClock.now
        try await interruptible(by: environment.interruptions) {
            switch refresh {
            case .never: break
            case .every(let time): try? await Task.sleep(for: time)
            case .change(let job, let version):
                try? await Task.sleep(for: Self.pace)
                _ = try await broker.watch([.job(job, known: version)], wait: Self.keepAlive)
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
