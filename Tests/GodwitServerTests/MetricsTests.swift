import GodwitCore
import Testing

@testable import GodwitServer

@Suite("Metrics")
struct MetricsTests {
    @Test("label values are escaped as Prometheus reads them")
    func escaping() {
        var page = PrometheusText()
        page.metric("m", .gauge, "a\\b\n\"c\"", [(labels: [("queue", "a\\b\"c\nd")], value: 1.5)])
        #expect(page.text == "# HELP m a\\\\b\\n\"c\"\n# TYPE m gauge\nm{queue=\"a\\\\b\\\"c\\nd\"} 1.5\n")
    }

    @Test(
        "numbers are written as numbers",
        arguments: [(3, "3"), (-0.5, "-0.5"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (1e15, "1000000000000000")]
            as [(Double, String)]
    )
    func numbers(_ value: Double, _ text: String) {
        var page = PrometheusText()
        page.metric("m", .counter, "h", value)
        #expect(page.text.hasSuffix("\nm \(text)\n"))
    }

    @Test("a histogram's buckets each count all that are no longer than their bound")
    func histogram() {
        var histogram = DurationHistogram(.confirm)
        for microseconds: Int64 in [-1, 100, 101, 60_000_000, 60_000_001] { histogram.record(microseconds: microseconds) }
        var page = PrometheusText()
        page.histogram("m_seconds", "h", [(labels: [("queue", "q")], value: histogram)])
        let lines = page.text.split(separator: "\n").map(String.init)
        #expect(lines[1] == "# TYPE m_seconds histogram")
        #expect(lines[2] == #"m_seconds_bucket{queue="q",le="0.0001"} 2"#)
        #expect(lines[3] == #"m_seconds_bucket{queue="q",le="0.00025"} 3"#)
        #expect(
            lines.suffix(4) == [
                #"m_seconds_bucket{queue="q",le="60"} 4"#, #"m_seconds_bucket{queue="q",le="+Inf"} 5"#,
                #"m_seconds_sum{queue="q"} 120.000202"#, #"m_seconds_count{queue="q"} 5"#,
            ]
        )
    }

    @Test("the busiest queues alone have series of their own")
    func busiest() throws {
        let queues = try (0..<MetricsPage.mostQueues + 5).map { number in
            var totals = QueueStatus.Totals()
            totals.published = number % 7 == 0 ? number : 0
            return QueueStatus(
                name: try QueueName("q\(number)"),
                settings: QueueSettings(),
                settingsVersion: Version(1),
                isPaused: false,
                counts: QueueStatus.Counts(),
                bytes: 0,
                keys: 0,
                totals: totals,
                oldestQueued: nil
            )
        }
        let busiest = MetricsPage.busiest(queues)
        #expect(busiest.count == MetricsPage.mostQueues)
        #expect(busiest.prefix(2).map(\.name.description) == ["q1001", "q994"])
        #expect(busiest == MetricsPage.busiest(queues.reversed()))
    }

    @Test("whoever may not see all queues sees no times of all of them")
    func times() throws {
        var times = JobTimes()
        times.queues = [.init(name: try QueueName("mail"), wait: DurationHistogram(.job), run: DurationHistogram(.job))]
        func page(_ showsAllTimes: Bool) -> String {
            MetricsPage(
                queueCount: 0,
                queues: [],
                times: times,
                showsAllTimes: showsAllTimes,
                failure: nil,
                isDraining: false,
                connections: 0,
                refusedConnections: 0,
                timeouts: 0,
                answers: [],
                process: .read(),
                uptime: .seconds(1),
                version: "1",
                now: Timestamp(milliseconds: 0)
            ).text
        }
        #expect(!page(true).contains("godwit_store_max_bytes"), "there is no bound")
        times.diskBytes = 5
        times.maxDiskBytes = 10
        #expect(page(true).contains("\ngodwit_store_bytes 5\n") && page(true).contains("\ngodwit_store_max_bytes 10\n"))
        for name in [
            "godwit_publish_confirm_seconds", "godwit_job_wait_seconds", "godwit_job_run_seconds", "godwit_store_bytes",
            "godwit_store_max_bytes",
        ] {
            #expect(page(true).contains(name) && !page(false).contains(name), "\(name)")
        }
        #expect(page(false).contains(#"godwit_queue_wait_seconds_count{queue="mail"}"#))
    }

    @Test("a metric without samples is left out")
    func empty() {
        var page = PrometheusText()
        page.metric("m", .gauge, "h", nil)
        #expect(page.text.isEmpty)
    }

    @Test(
        "the Date header is as RFC 9110 writes it",
        arguments: [(0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT")]
    )
    func date(_ milliseconds: Int64, _ text: String) {
        #expect(HTTPDate.format(Timestamp(milliseconds: milliseconds)) == text)
        #expect(HTTPDate().text(at: Timestamp(milliseconds: milliseconds)) == text)
    }

    #if os(Linux)
    @Test("Linux says what the process uses")
    func process() throws {
        let statistics = ProcessStatistics.read()
        #expect(try #require(statistics.residentBytes) > 1_000_000)
        #expect(try #require(statistics.openFiles) > 2)
        #expect(try #require(statistics.maximumFiles) > 2)
        #expect(try #require(statistics.processorSeconds) >= 0)
    }
    #endif
}
