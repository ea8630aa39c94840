import GodwitCore
import Testing

@testable import GodwitPage

@Suite("Numbers, times and contents as people read them")
struct FormattingTests {
    @Test(
        "counts have their thousands apart",
        arguments: [
            (0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_234, "−1,234"),
        ]
    )
    func counts(number: Int, text: String) {
        #expect(Formatting.count(number) == text)
    }

    @Test("rates", arguments: [(0, "0"), (0.04, "<0.1"), (0.25, "0.3"), (2, "2"), (9.96, "10"), (3_400.4, "3,400")])
    func rates(rate: Double, text: String) {
        #expect(Formatting.rate(rate) == text)
    }

    @Test("sizes", arguments: [(0, "0 B"), (1_023, "1,023 B"), (1_536, "1.5 KiB"), (1 << 20, "1 MiB"), (1 << 30, "1 GiB")])
    func sizes(bytes: Int, text: String) {
        #expect(Formatting.bytes(bytes) == text)
    }

    @Test(
        "times from now",
        arguments: [
            (Duration.zero, "now"), (.seconds(59), "59 s ago"), (.seconds(600), "10 min ago"), (.seconds(-7_200), "in 2 h"),
            (.seconds(400_000), "4 d ago"),
        ]
    )
    func times(ago: Duration, text: String) {
        let now = Timestamp(milliseconds: 1_700_000_000_000)
        #expect(Formatting.relative(now + (.zero - ago), to: now) == text)
    }

    @Test("JSON is shown a member a line, and its values as they were written")
    func json() {
        let view = ContentText.view(Content(Bytes(#"{"a":[1,2.50,{}],"b":"x,\"{y}","c":[],"d":{"e":null}}"#)))
        let text = """
            {
              "a": [
                1,
                2.50,
                {}
              ],
              "b": "x,\\"{y}",
              "c": [],
              "d": {
                "e": null
              }
            }
            """
        #expect(view["text"] as? String == text)
        #expect(ContentText.view(Content("{oops"))["text"] as? String == "{oops")
    }

    @Test("what is long is cut between two characters, and its size is said")
    func cut() {
        let long = Content(Bytes(String(repeating: "é", count: ContentText.limit)), type: Content.text)
        let view = ContentText.view(long)
        #expect((view["text"] as? String)?.utf8.count == ContentText.limit)
        #expect(view["note"] as? String == "128 KiB, text/plain; charset=utf-8; the first 64 KiB are shown")
        let odd = Content(Bytes("x" + String(repeating: "é", count: ContentText.limit)), type: Content.text)
        #expect((ContentText.view(odd)["text"] as? String)?.utf8.count == ContentText.limit - 1)
    }

    @Test("what is no text is shown in hexadecimal")
    func binary() {
        let view = ContentText.view(Content(Bytes([0xff, 0x00, 0x0a] + [UInt8](repeating: 0xab, count: 20)), type: Content.binary))
        #expect(view["text"] as? String == "ff 00 0a ab ab ab ab ab ab ab ab ab ab ab ab ab\nab ab ab ab ab ab ab")
    }
}
