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
