import ServiceLifecycle

/// Runs what waits, and cancels it when nobody waits for it any more: the peer hung up, the server drains, the caller was cancelled.
///
/// A broker's cancelled wait answers what there is, so that an interrupted request still has an answer.
package func interruptible<Value: Sendable>(by latches: [Latch?], _ operation: @escaping @Sendable () async throws -> Value) async throws
    -> Value
{
    let task = Task { try await operation() }
    let registrations = latches.compactMap { latch in latch.map { ($0, $0.onSet { task.cancel() }) } }
    defer { for (latch, id) in registrations { latch.remove(id) } }
    return try await withTaskCancellationHandler {
        try await withGracefulShutdownHandler {
            try await task.value
        } onGracefulShutdown: {
            task.cancel()
        }
    } onCancel: {
        task.cancel()
    }
}
