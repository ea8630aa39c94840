import Foundation
import Testing

@testable import Timeline

@Suite("The timelines' folder")
struct FolderLockTests {
    @Test("a folder is used by one at a time; another is told so, and may come afterwards")
    func oneAtATime() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("timeline-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var first: FolderLock? = try FolderLock(folder)
        let error = try #require(throws: FolderLock.Failure.self) { try FolderLock(folder) }
        #expect(error.description.contains(folder) && error.description.contains("--data"))
        withExtendedLifetime(first) {}
        first = nil
        _ = try FolderLock(folder)
        #expect(throws: FolderLock.Failure.self) { try FolderLock(folder + "/none") }
    }
}
