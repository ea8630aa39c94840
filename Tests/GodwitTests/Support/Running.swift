import Foundation
import Godwit
import GodwitCore
import Testing

/// Runs a worker beside the body, and cancels it after it.
@discardableResult
func running<Result: Sendable>(_ workers: Worker..., body: () async throws -> Result) async throws -> Result {
    let tasks = workers.map { worker in Task { try await worker.run() } }
    let result: Result
    do {
        result = try await body()
    } catch {
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.result }
        throw error
    }
    for task in tasks { task.cancel() }
    for task in tasks { try await task.value }
    return result
}

/// Waits until the condition holds, looking every millisecond; an issue after the limit.
func eventually(
    within limit: Duration = .seconds(20),
    _ what: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what ?? "the condition did not come true within \(limit)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// A folder that is removed after the body.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("godwit-test-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

/// A client on a store in memory, closed after the body.
func withMemory<Result>(_ body: (JobClient) async throws -> Result) async throws -> Result {
    let client = try await JobClient.open("memory:", logger: quiet)
    do {
        let result = try await body(client)
        await client.close()
        return result
    } catch {
        await client.close()
        throw error
    }
}
