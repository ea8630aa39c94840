import Testing

@testable import GodwitCore

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "are written as RFC 3339 in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (1_795_558_063_120, "2026-11-24T22:07:43.120Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)]
    )
    func writes(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(
        "are read with any offset and any number of fraction digits",
        arguments: [
            ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T19:30:00.5-04:30", 500), ("1970-01-01t00:00:00.1234567z", 123),
            ("1970-01-01 00:00:00.05Z", 50), ("1970-01-01T00:00:60Z", 60_000),
        ] as [(String, Int64)]
    )
    func reads(text: String, milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(
        "refuse what is not a date-time",
        arguments: [
            "", "now", "1970-01-01", "1970-13-01T00:00:00Z", "1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z", "1970-01-01T00:00:00", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx",
            "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00+24:00", "１970-01-01T00:00:00Z",
        ]
    )
    func refuses(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test("days over a whole cycle of 400 years go there and back")
    func cycle() {
        for day in stride(from: Int64(-73_048), to: 73_049, by: 3) {
            let time = Timestamp(milliseconds: day * 86_400_000 + 43_200_001)
            if Timestamp(rfc3339: time.description) != time { Issue.record("\(time) does not come back") }
        }
    }
}

@Suite("Durations as text")
struct DurationTextTests {
    @Test(
        "are a whole number and a unit",
        arguments: [("200ms", 200), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("7d", 604_800_000), ("0s", 0)] as [(String, Int64)]
    )
    func reads(text: String, milliseconds: Int64) {
        #expect(Duration(text: text)?.inMilliseconds == milliseconds)
        #expect(Duration.milliseconds(milliseconds).text == text)
    }

    @Test(
        "refuse all else",
        arguments: [
            "", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5s", "5s5s", "99999999999999999999s", "9223372036854775807d", "4000d", "٣s",
        ]
    )
    func refuses(text: String) {
        #expect(Duration(text: text) == nil)
    }

    @Test("huge durations saturate instead of overflowing")
    func saturates() {
        #expect(Duration.seconds(Int64.max).inMilliseconds == .max)
        #expect(Duration.seconds(Int64.min).inMilliseconds == .min)
    }
}
