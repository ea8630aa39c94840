import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP
import HTTPTypes

/// `godwit backup`.
struct BackupCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Write a backup of the whole store to a file here, while it is in use.",
        discussion: """
            The backup holds everything that was confirmed before it began: one POSIX tar archive with checksums, verified as it comes. \
            It has its name only when it is whole and on disk, and never replaces a file. It holds the store's secret and all payloads: \
            guard it like the store.

              godwit backup godwit.tar
              godwit backup --server http://10.0.0.7:8080 --token-file token godwit.tar
              godwit backup - | ssh elsewhere 'cat > godwit.tar'
              godwit check godwit.tar

            `godwit restore` makes a store of it. Exit codes: 0 the backup is whole; 65 what came was damaged; 69 the server cannot be \
            reached, or went away; 73 the file is there already, or cannot be made.
            """
    )

    @Argument(help: "The file to write; - for standard output.", completion: .file())
    var target: String

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard target != "-" || !Output.isOutputTerminal else {
            throw ValidationError("a terminal cannot show a backup: name a file, or send standard output to one")
        }
    }

    func run() async throws {
        let sink = try BackupSink(target)
        let shutdown = Shutdown()
        if target == "-" { shutdown.endsWhenUrgent(saying: Self.interrupted) }
        let summary = try await shutdown.onSignals {
            try await shutdown.interrupting { [store] in
                try await store.withStore { store in
                    let response = try await store.transport.stream(StoreRequest(.get, ["v1", "backup"], timeout: nil)) { bytes in
                        try await sink.receive(bytes)
                    }
                    guard response.status == .ok else { throw CommandFailure(response, from: store.transport.description) }
                }
                return try await sink.finish()
            }
        }
        Output.endProgress()
        guard let summary else {
            throw CommandFailure.failed(Self.interrupted, code: "interrupted")
        }
        try report(summary)
    }

    private static let interrupted = "interrupted: there is no backup"

    private func report(_ summary: BackupSink.Summary) throws {
        let text =
            output.json
            ? JSONWriter.text { json in
                json.object { json in
                    json.member("file", target == "-" ? nil : target)
                    json.member("bytes", summary.bytes)
                    json.member("files", summary.manifest.files.count)
                    json.member("store", summary.manifest.store)
                    json.member("created_at", summary.manifest.created)
                }
            }
            : "\(ByteText.text(summary.bytes)) as of \(summary.manifest.created)" + (target == "-" ? "" : " in \(target)")
        // Standard output is the archive itself.
        if target == "-" { Output.message(text) } else { try Output.line(text) }
    }
}

/// Verifies a backup as it comes, and writes it.
private actor BackupSink {
    struct Summary: Sendable {
        var bytes: Int
        var manifest: BackupManifest
    }

    private var file: NewFile?
    private var reader = BackupReader()
    private var manifest: BackupManifest?
    private var bytes = 0
    private var shown = 0

    init(_ target: String) throws {
        if target != "-" { file = try NewFile.create(target) }
    }

    func receive(_ piece: ArraySlice<UInt8>) async throws {
        var input = piece
        do throws(BackupError) {
            while let event = try reader.next(&input) {
                if case .manifest(let manifest) = event { self.manifest = manifest }
            }
        } catch {
            file = nil
            throw CommandFailure.damaged("what came is no sound backup: \(error)")
        }
        if file == nil { try await Output.writePatiently(piece) } else { try file?.write(piece) }
        bytes += piece.count
        guard bytes - shown >= 1 << 20 else { return }
        shown = bytes
        let total = manifest?.archiveBytes ?? 0
        Output.progress("\(ByteText.text(bytes)) of \(ByteText.text(total)), \(ByteText.share(bytes, of: total))")
    }

    func finish() throws -> Summary {
        guard reader.isAtEnd, let manifest else {
            file = nil
            throw CommandFailure.unreachable("the backup broke off after \(ByteText.text(bytes)): nothing is kept of it, try again")
        }
        if let file = file.take() { try file.finish() }
        return Summary(bytes: bytes, manifest: manifest)
    }
}
