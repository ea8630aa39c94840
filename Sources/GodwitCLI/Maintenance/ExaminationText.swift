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
        case let count?:
            var text = "\(ByteText.count(Int(clamping: count), "record")) lost"
            if let first = finding.firstLostRecord {
                text += count == 1 ? ", number \(first)" : ", numbers \(first) to \(first + count - 1)"
            }
            facts.append(text)
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
}

extension ExaminationText {
    /// What is lost in each queue: how many of each kind.
    static func losses(_ findings: [StoreExamination.Finding]) -> [(queue: QueueName?, what: String, count: Int)] {
        var counts: [Loss: Int] = [:]
        for finding in findings {
            for effect in finding.affects { counts[Loss(queue: effect.queue, what: effect.what), default: 0] += 1 }
        }
        return counts.map { ($0.key.queue, $0.key.what, $0.value) }
            .sorted { ($0.queue?.description ?? "", $0.what) < ($1.queue?.description ?? "", $1.what) }
    }

    private struct Loss: Hashable {
        var queue: QueueName?
        var what: String
    }
}

extension JSONWriter {
    /// What is lost in each queue.
    mutating func losses(_ findings: [StoreExamination.Finding]) {
        array { json in
            for (queue, what, count) in ExaminationText.losses(findings) {
                json.object { json in
                    json.member("queue", queue?.description)
                    json.member("what", what)
                    json.member("count", count)
                }
            }
        }
    }

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
                    json.key("first_lost_record")
                    if let first = finding.firstLostRecord { json.integer(Int(clamping: first)) } else { json.null() }
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
}
