import ServiceLifecycle

/// Wakes the pages now and then, for what changes without telling: the length of the queue.
struct Ticker: Service {
    let changes: Changes

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: .milliseconds(250))
                changes.notify()
            }
        }
    }
}
