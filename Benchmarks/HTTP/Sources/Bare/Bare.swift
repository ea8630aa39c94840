import Foundation
import Hummingbird
import Logging

/// The smallest Hummingbird application that answers as `/healthz` does; it says where it listens as `godwit serve --json` does.
@main
struct Bare {
    static func main() async throws {
        var logger = Logger(label: "bare")
        logger.logLevel = .warning
        let router = Router()
        router.get("healthz") { _, _ in "ok\n" }
        let application = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                print(#"{"http":"http://127.0.0.1:\#(channel.localAddress?.port ?? 0)"}"#)
                fflush(nil)
            },
            logger: logger
        )
        try await application.runService()
    }
}
