import Foundation
import GodwitCore
import Testing

@testable import GodwitHTTP

@Suite("JSON in")
struct JSONScannerTests {
    @Test(
        "JSON as RFC 8259 has it is accepted",
        arguments: [
            "{}", "[]", "null", "true", " false ", "0", "-0", "1.5e-300", "12345678901234567890123456789", "\"\"",
            #""\u0041\n\ud83d\ude00""#,
            #"{"a":{"b":[1,2,{"c":null}]}}"#, "\t[\r\n1 , 2 ]\n", "\"ü€😀\"", #"{"":0}"#, "1E+2",
        ]
    )
    func accepts(_ text: String) throws {
        _ = try JSONValue(parsing: Bytes(text))
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "01", "1.", ".5", "+1", "1e", "-", "tru", "nul", "NaN", "Infinity",
            "\"",
            "\"\u{1}\"", #""\x""#, #""\u12g4""#, "[1 2]", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "1 2", "[]]", "\u{feff}1", "// a\n1",
            "\"a\nb\"",
        ]
    )
    func refuses(_ text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes(text)) }
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [
            [0x80], [0xc0, 0x80], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff], [0xe2, 0x82], [0xf0, 0x80, 0x80, 0x80],
        ] as [[UInt8]]
    )
    func refusesBrokenText(_ bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes([0x22] + bytes + [0x22])) }
    }

    @Test("nesting is bounded, so that a peer cannot exhaust the stack")
    func depth() throws {
        let limit = JSONValue.documentDepth
        let good = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        _ = try JSONValue(parsing: Bytes(good))
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes("[" + good + "]")) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes(String(repeating: "{\"a\":", count: 1_000_000))) }
    }

    @Test("an error says where")
    func offset() {
        #expect(throws: JSONError(offset: 7, message: "no value begins like this")) { try JSONValue(parsing: Bytes(#"{"a": [x]}"#)) }
    }

    @Test("a value inside a document is given as the bytes that came")
    func raw() throws {
        let document = try JSONValue(parsing: Bytes(#"{"n": 123456789012345678901234567890.10 , "o": {"a" : [ 1e400 ]}}"#))
        let members = try #require(try document.members())
        #expect(members.map(\.name) == ["n", "o"])
        #expect(members[0].value.bytes.text == "123456789012345678901234567890.10")
        #expect(members[1].value.bytes.text == #"{"a" : [ 1e400 ]}"#)
    }

    @Test("values are read as what they are, and as nothing else")
    func kinds() throws {
        func value(_ text: String) throws -> JSONValue { try JSONValue(parsing: Bytes(text)) }
        #expect(try value("17").integer == 17)
        #expect(try value("-17").integer == -17)
        #expect(try value("17.0").integer == 17)
        #expect(try value("-1.7e1").integer == -17)
        #expect(try value("17.5").integer == nil)
        #expect(try value("1e300").integer == nil)
        #expect(try value("9007199254740994.0").integer == nil)
        #expect(try value("99999999999999999999").integer == nil)
        #expect(try value("\"17\"").integer == nil)
        #expect(try value("0.25").double == 0.25)
        #expect(try value("true").bool == true)
        #expect(try value("false").bool == false)
        #expect(try value("\"true\"").bool == nil)
        #expect(try value("null").isNull)
        #expect(try value(#""a\"\\\/\b\f\n\r\té\ud83d\ude00""#).string == "a\"\\/\u{8}\u{c}\n\r\té😀")
        #expect(try value(#""\ud83d""#).string == nil)
        #expect(try value(#""\ud83dx""#).string == nil)
        #expect(try value("[1,[2],3]").elements?.map { $0.bytes.text } == ["1", "[2]", "3"])
        #expect(try value("{}").elements == nil)
        #expect(try value("[]").members() == nil)
    }

    @Test("a member that stands twice is refused, however it is spelled")
    func duplicates() throws {
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes(#"{"a":1,"\u0061":2}"#)).members() }
    }

    /// Every answer of the scanner is compared with Foundation's, on documents that are broken here and there.
    @Test("random documents are judged as another parser judges them", arguments: [1, 2, 3, 4] as [UInt64])
    func fuzz(_ seed: UInt64) throws {
        var random = SeededGenerator(seed)
        for _ in 0..<3_000 {
            var bytes = Array(RandomJSON.document(depth: 4, using: &random).utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0x20...0x7e, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert("{}[],:\"\\0".utf8.randomElement(using: &random) ?? 0x20, at: index)
                }
            }
            let isValid = JSONValue.isValid(Bytes(bytes))
            let other = (try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])) != nil
            guard isValid != other else { continue }
            // Foundation refuses numbers that overflow a Double and half surrogate pairs, which the grammar has, and
            // takes a comma too many.
            let text = String(decoding: bytes, as: UTF8.self)
            let isKnown = isValid ? text.contains(/[eE\\]/) : text.contains(/,\s*[\]}]/)
            #expect(isKnown, "judged \(isValid), not \(other): \(text)")
        }
    }

    @Test("random bytes never crash the scanner")
    func garbage() {
        var random = SeededGenerator(7)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? UInt8.random(in: 0...255, using: &random) : Array("{}[]\",:\\u0e-.tfn ".utf8).randomElement(using: &random) ?? 0
            }
            guard let value = try? JSONValue(parsing: Bytes(bytes)) else { continue }
            _ = (value.string, value.integer, value.double, value.elements)
            _ = try? value.members()
        }
    }
}

/// A generator whose seed repeats a run: SplitMix64 (Steele, Lea, Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

enum RandomJSON {
    static func document(depth: Int, using random: inout SeededGenerator) -> String {
        switch Int.random(in: 0...(depth > 0 ? 7 : 5), using: &random) {
        case 0: return "null"
        case 1: return Bool.random(using: &random) ? "true" : "false"
        case 2: return String(Int.random(in: -1_000...1_000, using: &random))
        case 3: return "\(Int.random(in: 0...99, using: &random)).\(Int.random(in: 0...99, using: &random))"
        case 4, 5:
            let letters = ["a", "ü", "€", "😀", " ", "\\n", "\\u0041", "\\\"", "/"]
            return "\"" + (0..<Int.random(in: 0...4, using: &random)).map { _ in letters.randomElement(using: &random) ?? "" }.joined()
                + "\""
        case 6:
            let elements = (0..<Int.random(in: 0...3, using: &random)).map { _ in document(depth: depth - 1, using: &random) }
            return "[" + elements.joined(separator: Bool.random(using: &random) ? "," : " , ") + "]"
        default:
            let members = (0..<Int.random(in: 0...3, using: &random)).map { "\"k\($0)\":" + document(depth: depth - 1, using: &random) }
            return "{" + members.joined(separator: ",") + "}"
        }
    }
}
