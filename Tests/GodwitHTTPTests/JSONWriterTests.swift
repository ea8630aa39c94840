import Foundation
import GodwitCore
import NIOCore
import Testing

@testable import GodwitHTTP

@Suite("JSON out")
struct JSONWriterTests {
    private func text(_ body: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        body(&json)
        return String(buffer: json.buffer)
    }

    @Test("commas stand between members and elements, nowhere else")
    func structure() {
        let text = text { json in
            json.object { json in
                json.member("a", 1)
                json.key("b")
                json.array { json in
                    json.string("x")
                    json.object { _ in }
                    json.array { _ in }
                    json.null()
                }
                json.member("c", String?.none)
                json.key("d")
                json.raw("[ 1 ]")
                json.member("e", true)
            }
        }
        #expect(text == #"{"a":1,"b":["x",{},[],null],"c":null,"d":[ 1 ],"e":true}"#)
    }

    @Test("every string comes back from another parser as it went in")
    func escapes() throws {
        var random = SeededGenerator(11)
        var samples = ["", "\"", "\\", "\u{0}\u{1f}\u{7f}", "a\nb\r\tc", "ü€😀", "\u{2028}", "</script>"]
        for _ in 0..<500 {
            samples.append(
                String(String.UnicodeScalarView((0..<20).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x3ff, using: &random)) }))
            )
        }
        for sample in samples {
            let text = text { $0.string(sample) }
            let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed]) as? String
            #expect(parsed == sample)
            #expect(try JSONValue(parsing: Bytes(text)).string == sample)
        }
    }

    @Test("numbers are exact, and what is no number is null")
    func numbers() {
        #expect(text { $0.integer(Int64.min) } == "-9223372036854775808")
        #expect(text { $0.integer(UInt64.max) } == "18446744073709551615")
        #expect(text { $0.number(0.1) } == "0.1")
        #expect(text { $0.number(.infinity) } == "null")
        #expect(text { $0.number(.nan) } == "null")
    }

    @Test("base64 is Foundation's, both ways, for every length")
    func base64() {
        var random = SeededGenerator(5)
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.encode(Bytes(bytes)) == text)
            #expect(Base64.decode(text) == bytes)
        }
    }

    @Test("what is not padded base64 is refused", arguments: ["a", "ab", "abc", "ab=c", "====", "a===", "ab c", "ab==ab==", "ab-_"])
    func refusesBase64(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
