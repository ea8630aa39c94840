import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitJournal

/// `godwit repair`.
struct RepairCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Take out of a closed store what is damaged, so that it opens again; say what is lost.",
        discussion: """
            Without --yes (or with --dry-run) it says what is lost, and changes nothing. Damaged files are kept beside the others, as damaged-…; nothing is \
            deleted. What can still be read of them is written anew; what cannot is lost, and said. A lost completion means that its job \
            runs again. A job whose payload alone is damaged stays, and fails as `unreadable` when its turn comes.

            Keep a copy of the folder first, and prefer a backup if there is one: it has what a repair cannot bring back.

              godwit check ./godwit-data
              cp -a ./godwit-data ./godwit-data.copy
              godwit repair ./godwit-data --yes

            Exit codes: 0 the store is sound, or was repaired and opens; 65 it is damaged, and --yes was not given or it cannot be repaired; \
            69 the store is in use, or cannot be read; 78 a newer version wrote it.
            """
    )

    @Argument(help: "The store's folder.", completion: .directory)
    var folder: String

    @Flag(help: "Do it.")
    var yes = false

    @Flag(help: "Say what is lost, and change nothing.")
    var dryRun = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !yes || !dryRun else { throw ValidationError("--yes and --dry-run exclude each other") }
    }

    func run() async throws {
        let files = try StoreFiles(folder, archivesToo: false)
        let before = try files.examine()
        guard !before.isSound else { return try report(files.path, before, nil, after: before) }
        guard yes else {
            try report(files.path, before, nil, after: nil)
            throw CommandFailure.damaged("\(files.path) is damaged, and nothing was changed: keep a copy of the folder, then add --yes")
        }
        let repair: RepairReport
        do {
            repair = try StoreRepair.run(FileStorage(files.path), notesLoss: before.findings.contains { $0.isMissingFile })
        } catch let error as JournalError {
            throw CommandFailure.damaged("\(files.path) cannot be repaired: \(error)")
        }
        let after = try files.examine()
        try report(files.path, before, repair, after: after)
        guard opens(after) else {
            throw CommandFailure.damaged("\(files.path) was repaired, and is still damaged: restore a backup")
        }
    }

    /// Whether an opening takes the store: what lies before its checkpoint's end and is damaged keeps nobody from opening it.
    private func opens(_ examination: StoreExamination) -> Bool {
        guard let cut = examination.report.cut else { return examination.isSound }
        return examination.findings.allSatisfy { finding in
            // Checkpoints that are damaged are not used; a segment that is missing is.
            guard let segment = examination.segments.first(where: { $0.file.file == finding.file }) else {
                return finding.file.hasPrefix("checkpoint-")
            }
            return RecordLocation(segment: segment.file.number, offset: UInt32(clamping: finding.offset)) < cut
        }
    }

    private func report(_ path: String, _ before: StoreExamination, _ repair: RepairReport?, after: StoreExamination?) throws {
        guard !output.json else {
            return try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("path", path)
                        json.member("sound", before.isSound)
                        json.member("repaired", repair?.didRepair ?? false)
                        json.key("damages")
                        json.findings(before.findings)
                        json.key("lost")
                        json.losses(before.findings)
                        if let repair, let after { json.outcome(repair, after) }
                    }
                }
            )
        }
        if before.isSound { return try Output.line("\(path) is sound: there is nothing to repair") }
        for finding in before.findings {
            for line in ExaminationText.lines(finding) { try Output.line(line) }
        }
        for (queue, what, count) in ExaminationText.losses(before.findings) {
            try Output.line(JobText.printable("lost in \(queue.map { "queue \($0)" } ?? "no queue that is known"): \(count) x \(what)"))
        }
        guard let repair, let after else { return }
        for file in repair.quarantined { try Output.line("kept as \(file)") }
        for file in repair.rewrittenHeaders { try Output.line("\(file): its header was written anew") }
        if let copy = repair.copiedTo { try Output.line("\(copy) stands for what lay behind the first damage") }
        let lost = ByteText.count(Int(clamping: repair.lostRecords - min(repair.rescuedRecords, repair.lostRecords)), "record")
        try Output.line("lost: \(lost); read from damaged places: \(repair.rescuedRecords)")
        if after.passedOver > 0 {
            try Output.line("\(ByteText.count(after.passedOver, "change")) behind them did not fit any more and have no effect")
        }
        let queues = JSONWriter.text { json in
            json.array { json in
                for queue in after.queues { json.queue(queue) }
            }
        }
        for line in ContentsText.queues(JSONValue(queues.utf8)?.elements ?? []) { try Output.line(line) }
    }
}

extension JSONWriter {
    fileprivate mutating func outcome(_ repair: RepairReport, _ after: StoreExamination) {
        key("quarantined")
        array { json in
            for file in repair.quarantined { json.string(file) }
        }
        key("rewritten_headers")
        array { json in
            for file in repair.rewrittenHeaders { json.string(file) }
        }
        member("copied_to", repair.copiedTo)
        member("lost_records", Int(clamping: repair.lostRecords - min(repair.rescuedRecords, repair.lostRecords)))
        member("rescued_records", Int(clamping: repair.rescuedRecords))
        member("without_effect", after.passedOver)
        key("queues")
        array { json in
            for queue in after.queues { json.queue(queue) }
        }
    }
}
