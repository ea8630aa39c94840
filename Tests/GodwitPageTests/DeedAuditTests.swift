import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("What is done from the page leaves a line with who did it", .serialized)
struct DeedAuditTests {
    /// What a deed is done to, and the line that it leaves, in which `$` stands for the job's id.
    private static func expected(_ deed: Deed) -> (form: String, line: String) {
        switch deed {
        case .pause, .resume, .delete: ("queue=mail", "\(deed.rawValue) queue=mail")
        case .redrive, .purge: ("queue=mail", "\(deed.rawValue) queue=mail jobs=1")
        case .retry, .cancel, .forget: ("job=$", "\(deed.rawValue) job=$")
        case .redriveJob: ("job=$", "redrive job=$")
        case .redriveThese: ("state=failed&queue=mail&end=$end", "redrive filter=state=failed&queue=mail jobs=1")
        case .retryThese: ("state=failed&end=$end", "retry filter=state=failed jobs=1")
        case .cancelThese: ("state=queued&name=a+b&end=$end", "cancel filter=state=queued&name=a%20b jobs=1")
        case .retryChosen, .cancelChosen: ("chosen=$", deed == .retryChosen ? "retry job=$" : "cancel job=$")
        case .forgetSchedule: ("schedule=a%0Ab&queue=mail", "forget queue=mail schedule=a%0Ab")
        }
    }

    @Test("each deed does", arguments: Deed.allCases)
    func each(deed: Deed) async throws {
        let lines = LogLines()
        try await TestServer.run(audit: lines.audit) { server in
            // One that waits where the deed needs it, else one that failed.
            let waits = [Deed.purge, .cancel, .cancelThese, .cancelChosen, .pause, .resume].contains(deed)
            let id = waits ? try await server.publish("mail", query: "?name=a%20b") : try await server.failed("mail")
            let schedule = RecordKey("schedule:a\nb", home: .queue(try QueueName("mail")))
            _ = try await server.broker.commit(.put(schedule, value: Bytes("{}"), expecting: .absent, lifetime: nil))
            let end = try await server.broker.list(JobQuery()).end
            let (form, line) = Self.expected(deed)
            func filled(_ text: String) -> String { text.replacing("$end", with: end).replacing("$", with: id) }
            #expect(lines.takeDeeds() == [])
            #expect(try await server.press("/page/do", filled("do=\(deed.rawValue)&\(form)")).status == 303)
            #expect(lines.takeDeeds() == [filled(line)])
            // What is refused leaves none.
            #expect(try await server.press("/page/do", filled("do=\(deed.rawValue)&\(form)"), origin: "http://evil").status == 403)
            #expect(lines.takeDeeds() == [])
        }
    }
}
