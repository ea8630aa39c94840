import ArgumentParser
import Foundation
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitJournal

/// `godwit restore`.
struct RestoreCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a store of a backup, in a new folder.",
        discussion: """
            The archive is verified as it is read, then the store is opened once. Jobs of the backup keep their ids; ids that were given out \
            after it never come again, and all leases end, so that a worker of the old store can settle nothing in this one. Jobs that ran \
            when the backup was made count a failed attempt and run again.

            The folder must be new or empty. One that a restore left unfinished is refused by all other commands; restoring into it again \
            begins from the start.

              godwit restore godwit.tar ./godwit-data
              ssh elsewhere cat godwit.tar | godwit restore - ./godwit-data
              godwit serve --data ./godwit-data

            Exit codes: 0 the store can be served; 65 the archive is damaged, incomplete or no backup; 69 the folder is in use; 73 the \
            folder is not empty, or cannot be made.
            """
    )

    @Argument(help: "The backup; - for standard input.", completion: .file())
    var archive: String

    @Argument(help: "The folder of the new store.", completion: .directory)
    var folder: String

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let path = Folder.absolutePath(folder)
        let input = try ArchiveInput(archive)
        let (engine, created) = try await Self.restore(input, by: Self.begin(in: path))
        Output.endProgress()
        let queues = try await engine.queues()
        await engine.close()
        try report(path, created, queues)
    }

    private static func begin(in path: String) throws -> StoreRestoration {
        do throws(BrokerError) {
            return try .begin(in: FileStorage(path))
        } catch {
            throw error.code == .wrongState ? CommandFailure.cannotCreate(error.message) : CommandFailure(error)
        }
    }

    /// Feeds the archive to the restoration; after a failure the folder is as it was.
    private static func restore(_ input: ArchiveInput, by restoration: StoreRestoration) async throws -> (Engine, String) {
        do {
            while let piece = try input.read() {
                try restoration.add(piece[...])
                input.showProgress()
            }
            try restoration.checkEnd()
        } catch {
            restoration.abandon()
            Output.endProgress()
            guard let error = error as? BackupError else { throw error }
            throw CommandFailure.damaged("\(error)")
        }
        let created = restoration.manifest?.created ?? ""
        return (try await restoration.finish(options: Folder.quietOptions), created)
    }

    private func report(_ path: String, _ created: String, _ queues: [QueueStatus]) throws {
        let unfinished = queues.reduce(0) { $0 + $1.counts.unfinished }
        guard output.json else {
            let jobs = "\(ByteText.count(unfinished, "unfinished job")) in \(ByteText.count(queues.count, "queue"))"
            return try Output.line("\(path) is a store again, as of \(created): \(jobs)")
        }
        try Output.line(
            JSONWriter.text { json in
                json.object { json in
                    json.member("folder", path)
                    json.member("created_at", created)
                    json.member("queues", queues.count)
                    json.member("unfinished_jobs", unfinished)
                }
            }
        )
    }
}

/// The file that an archive is read from, or standard input.
final class ArchiveInput {
    private let handle: FileHandle
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    private let name: String
    private let total: Int?
    private var done = 0
    private var shown = 0

    /// - Throws: ``CommandFailure`` (`usage`) when it cannot be read.
    init(_ name: String) throws(CommandFailure) {
        self.name = name == "-" ? "standard input" : name
        guard name != "-" else {
            guard !Output.isInputTerminal else { throw .usage("a terminal gives no backup: name a file, or send one to standard input") }
            handle = .standardInput
            total = nil
            return
        }
        guard let file = FileHandle(forReadingAtPath: name), (try? file.offset()) != nil else {
            throw .usage("cannot read \(name): name a file that `godwit backup` wrote")
        }
        handle = file
        total = (try? FileManager.default.attributesOfItem(atPath: name)[.size] as? Int) ?? nil
    }

    /// The next bytes; nil at the end.
    func read() throws(CommandFailure) -> [UInt8]? {
        while true {
            // What has come is taken, however little: a pipe may be slow.
            let count = readOnce(handle.fileDescriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .failed("cannot read \(name): \(String(cString: strerror(errno)))", code: "input_failed") }
            guard count > 0 else { return nil }
            done += count
            return Array(buffer[..<count])
        }
    }

    func showProgress() {
        guard done - shown >= 1 << 22 else { return }
        shown = done
        Output.progress(ByteText.text(done) + (total.map { ", \(ByteText.share(done, of: $0))" } ?? ""))
    }
}

/// `read`, which the input's own method hides.
private func readOnce(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int { read(descriptor, buffer, count) }
