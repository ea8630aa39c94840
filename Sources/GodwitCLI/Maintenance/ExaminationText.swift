import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitJournal

/// What was found in a store, as people read it.
enum ExaminationText {
    /// How many of the things that one damage affects are listed.
    private static let effectsShown = 20

    /// A damage in one line, and what it affects in one line each.
    static func lines(_ finding: StoreExamination.Finding) -> [String] {
        var text = "\(finding.file) at offset \(finding.offset): \(finding.what)"
        var facts: [String] = []
        if finding.bytes > 0 { facts.append(ByteText.text(finding.bytes)) }
        switch finding.lostRecords {
        case nil: facts.append("how many records are lost is not known")
        case 0?: break
        case let count?: facts.append("\(ByteText.count(Int(clamping: count), "record")) lost")
        }
        if !facts.isEmpty { text += " (\(facts.joined(separator: ", ")))" }
        var lines = [JobText.printable(text)]
        for effect in finding.affects.prefix(effectsShown) {
            var text = "  \(effect.what)"
            if let job = effect.job { text += " of job \(job)" }
            if let queue = effect.queue { text += " in queue \(queue)" }
            lines.append(JobText.printable(text))
        }
        if finding.affects.count > effectsShown { lines.append("  and \(finding.affects.count - effectsShown) more: --json lists all") }
        return lines
    }

    static func queues(_ queues: [QueueStatus]) -> [String] {
        var table = Table([("queue", .left)] + JobState.allCases.map { ($0.rawValue, .right) } + [("bytes", .right), ("", .left)])
        for queue in queues {
            table.add(
                [JobText.printable(queue.name.description)] + JobState.allCases.map { "\(queue.counts[$0])" }
                    + [ByteText.text(queue.bytes), queue.isPaused ? "paused" : ""]
            )
        }
        return table.lines
    }

    static func segments(_ segments: [StoreExamination.Segment]) -> [String] {
        var table = Table(
            [
                ("segment", .left), ("size", .right), ("used", .right), ("records", .right), ("live", .right), ("live bytes", .right),
                ("", .left),
            ]
        )
        for segment in segments {
            table.add([
                segment.file.file, ByteText.text(segment.file.bytes), ByteText.text(segment.file.usedBytes), "\(segment.file.records)",
                "\(segment.liveRecords)", ByteText.text(segment.liveBytes), segment.file.isCopy ? "copy" : "",
            ])
        }
        return table.lines
    }
}

extension JSONWriter {
    mutating func findings(_ findings: [StoreExamination.Finding]) {
        array { json in
            for finding in findings {
                json.object { json in
                    json.member("file", finding.file)
                    json.member("offset", Int(clamping: finding.offset))
                    json.member("bytes", finding.bytes)
                    json.member("what", finding.what)
                    json.key("lost_records")
                    if let lost = finding.lostRecords { json.integer(Int(clamping: lost)) } else { json.null() }
                    json.key("affects")
                    json.array { json in
                        for effect in finding.affects {
                            json.object { json in
                                json.member("what", effect.what)
                                json.member("job", effect.job?.description)
                                json.member("queue", effect.queue?.description)
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a store's folder holds.
    mutating func contents(_ examination: StoreExamination) {
        let report = examination.report
        key("segments")
        array { json in
            for segment in examination.segments {
                json.object { json in
                    json.member("file", segment.file.file)
                    json.member("bytes", segment.file.bytes)
                    json.member("used_bytes", segment.file.usedBytes)
                    json.member("records", Int(clamping: segment.file.records))
                    json.member("live_records", segment.liveRecords)
                    json.member("live_bytes", segment.liveBytes)
                    json.member("copy", segment.file.isCopy)
                }
            }
        }
        key("checkpoints")
        array { json in
            for checkpoint in report.checkpoints {
                json.object { json in
                    json.member("file", checkpoint.file)
                    json.member("bytes", checkpoint.bytes)
                    json.member("sound", checkpoint.damage == nil)
                }
            }
        }
        member("spare_bytes", report.spareBytes)
        key("kept_files")
        array { json in
            for file in report.keptFiles { json.string(file) }
        }
        member("disk_bytes", report.diskBytes)
        member("live_bytes", examination.liveBytes)
        key("queues")
        array { json in
            for queue in examination.queues { json.queue(queue) }
        }
    }
}
