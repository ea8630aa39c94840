import Foundation
import GodwitCore
import Testing

@testable import Godwit

@Suite("Jobs as JSON")
struct JobCodingTests {
    private struct Everything: Codable, Equatable {
        var when: Date
        var data: Data
        var link: URL
        var numbers: [Int]
        var note: String?
    }

    @Test("dates are ISO 8601 with milliseconds, data is base64, keys are sorted, nothing is wrapped around")
    func encodes() throws {
        let value = Everything(
            when: Date(timeIntervalSince1970: 1_790_000_000.12),
            data: Data([0, 255]),
            link: try #require(URL(string: "https://a.b/c")),
            numbers: [2]
        )
        let content = try JobCoding.encode(value)
        #expect(content.type == "application/json")
        #expect(
            content.bytes.text == #"{"data":"AP8=","link":"https://a.b/c","numbers":[2],"when":"2026-09-21T14:13:20.120Z"}"#
        )
        #expect(try JobCoding.decode(Everything.self, from: content.bytes) == value)
    }

    @Test(
        "dates are read with and without a fraction, in any offset",
        arguments: [
            ("2026-09-21T14:13:20Z", 1_790_000_000.0), ("2026-09-21T14:13:20.5Z", 1_790_000_000.5),
            ("2026-09-21T16:13:20.123456+02:00", 1_790_000_000.123),
        ]
    )
    func dates(_ text: String, _ seconds: Double) throws {
        #expect(try JobCoding.decode(Date.self, from: Bytes("\"\(text)\"")) == Date(timeIntervalSince1970: seconds))
    }

    @Test("what is no date says so", arguments: ["tomorrow", "2026-02-30T00:00:00Z", "2026-09-21"])
    func wrongDates(_ text: String) {
        let error = #expect(throws: DecodingError.self) { try JobCoding.decode(Date.self, from: Bytes("\"\(text)\"")) }
        #expect("\(error.map { "\($0)" } ?? "")".contains("ISO 8601"))
    }

    @Test("a date that no four digits can say is refused before it is a job that nobody can read")
    func farDates() throws {
        for (year, isGood) in [(-1, false), (0, true), (9_999, true), (10_000, false)] {
            let first = Timestamp(milliseconds: CivilDate(year: year, month: 1, day: 1).daysSince1970 * 86_400_000)
            let last = Timestamp(milliseconds: CivilDate(year: year + 1, month: 1, day: 1).daysSince1970 * 86_400_000 - 1)
            for time in [first, last] {
                if isGood {
                    #expect(try JobCoding.decode(Date.self, from: JobCoding.encode(time.date).bytes) == time.date)
                } else {
                    #expect(throws: EncodingError.self) { try JobCoding.encode(time.date) }
                }
            }
        }
        #expect(throws: EncodingError.self) { try JobCoding.encode(Date.distantFuture.addingTimeInterval(1e12)) }
    }

    @Test("results may be single values")
    func fragments() throws {
        for bytes in [try JobCoding.encode("text").bytes, try JobCoding.encode(7).bytes, try JobCoding.encode(Int?.none).bytes] {
            #expect(["\"text\"", "7", "null"].contains(bytes.text))
        }
        #expect(try JobCoding.decode(Int?.self, from: "null") == nil)
    }
}
