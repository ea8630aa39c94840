import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitJournal

/// `godwit check`.
struct CheckCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Verify every record of a closed store, or of a backup; change nothing.",
        discussion: """
            Reads every checkpoint and every record of every segment, compares all checksums, and sees that the engine takes what it reads. \
            Each damage is said with its file and offset, and which jobs and queues it affects, as far as that can still be read.

              godwit check ./godwit-data
              godwit check godwit.tar
              godwit check ./godwit-data --json | jq '.damages[] | {file, offset, affects}'

            Exit codes: 0 sound; 65 damaged; 69 the store is in use, or cannot be read; 78 a newer version wrote it.
            """
    )

    @Argument(help: "The store's folder, or a backup's archive.", completion: .file())
    var path: String

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let files = try StoreFiles(path)
        let examination = try files.examine()
        Output.endProgress()
        if output.json {
            try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("path", files.path)
                        json.member("sound", examination.isSound)
                        json.member("records", Int(clamping: examination.report.records))
                        json.member("created_at", files.manifest?.created)
                        json.key("damages")
                        json.findings(examination.findings)
                        json.key("harmless")
                        json.findings(examination.harmless)
                        json.key("unconfirmed_tails")
                        json.array { json in
                            for tail in examination.report.tails {
                                json.object { json in
                                    json.member("file", tail.file)
                                    json.member("offset", Int(clamping: tail.offset))
                                    json.member("bytes", tail.bytes)
                                }
                            }
                        }
                    }
                }
            )
        } else {
            try show(examination, files)
        }
        guard !examination.isSound else { return }
        let advice =
            files.manifest == nil
            ? "restore a backup, or let `godwit repair` take out what is damaged" : "use another backup"
        throw CommandFailure.damaged("\(files.path) is damaged in \(ByteText.count(examination.findings.count, "place")): \(advice)")
    }

    private func show(_ examination: StoreExamination, _ files: StoreFiles) throws {
        for finding in examination.findings {
            for line in ExaminationText.lines(finding) { try Output.line(line) }
        }
        for finding in examination.harmless {
            try Output.line("\(finding.file) at offset \(finding.offset): \(finding.what) (harmless: nothing that is needed is lost)")
        }
        for tail in examination.report.tails {
            try Output.line(
                "\(tail.file) at offset \(tail.offset): \(ByteText.text(tail.bytes)) that were never confirmed (the next opening cuts them off)"
            )
        }
        guard examination.isSound else { return }
        let records = ByteText.count(Int(clamping: examination.report.records), "record")
        let segments = ByteText.count(examination.segments.count, "segment")
        let checkpoints = ByteText.count(examination.report.checkpoints.count, "checkpoint")
        try Output.line("\(files.path) is sound: \(records) in \(segments), \(checkpoints)")
    }
}
