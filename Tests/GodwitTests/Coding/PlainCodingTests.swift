import Foundation
import GodwitCore
import Testing

@testable import Godwit

@Suite("Plain values as JSON")
struct PlainCodingTests {
    private struct Inner: Codable, Equatable {
        var zebra: Int8
        var apple: [String]
        var middle: Float?
    }

    private struct Outer: Codable, Equatable {
        var text: String
        var count: UInt64
        var ratio: Double
        var isOn: Bool
        var when: Date
        var link: URL
        var inner: Inner
        var more: [Inner]
        var table: [String: Int]
        var choice: Choice
        var id: UUID
        var grid: [[Int?]]
    }

    private enum Choice: String, Codable { case left, right }

    private static let outer = Outer(
        text: "a \"quoted\" \\ / line\nä😀\t",
        count: 9_007_199_254_740_993,
        ratio: -1.25e-7,
        isOn: true,
        when: Date(timeIntervalSince1970: 1_790_000_000.12),
        link: URL(fileURLWithPath: "/tmp/x y"),
        inner: Inner(zebra: -128, apple: [], middle: nil),
        more: [Inner(zebra: 0, apple: ["x", ""], middle: 0.1), Inner(zebra: 1, apple: ["y"], middle: 3)],
        table: ["b": 2, "a": 1, "": 0],
        choice: .right,
        id: UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)),
        grid: [[1, nil], []]
    )

    @Test("the bytes are those of the encoder that knows everything, and are read as by its decoder")
    func same() throws {
        let plain = try #require(PlainEncoder.encode(Self.outer))
        #expect(String(decoding: plain, as: UTF8.self) == String(decoding: try JobCoding.encoder.encode(Self.outer), as: UTF8.self))
        #expect((try? PlainDecoder.decode(Outer.self, from: Bytes(plain))) == Self.outer)
        #expect(try JobCoding.decoder.decode(Outer.self, from: Data(plain)) == Self.outer)
    }

    @Test(
        "numbers are written alike",
        arguments: [0, 1, -1, 0.5, 1e21, 1e-7, 123_456_789.125, -2.5e300, .leastNonzeroMagnitude, 4_294_967_296]
    )
    func numbers(_ number: Double) throws {
        func check<Number: BinaryFloatingPoint & Codable>(_ number: Number) throws {
            guard number.isFinite else { return }
            let plain = try #require(PlainEncoder.encode(number))
            #expect(String(decoding: plain, as: UTF8.self) == String(decoding: try JobCoding.encoder.encode(number), as: UTF8.self))
            #expect(try JobCoding.decode(Number.self, from: Bytes(plain)) == number)
        }
        try check(number)
        try check(Float(number))
    }

    @Test("integers of every width reach their ends")
    func integers() throws {
        func check<Number: FixedWidthInteger & Codable>(_ type: Number.Type) throws {
            for number in [Number.min, 0, 1, .max] {
                let plain = try #require(PlainEncoder.encode(number))
                #expect(String(decoding: plain, as: UTF8.self) == "\(number)")
                #expect(try JobCoding.decode(Number.self, from: Bytes(plain)) == number)
            }
        }
        try check(Int8.self)
        try check(Int16.self)
        try check(Int32.self)
        try check(Int64.self)
        try check(UInt8.self)
        try check(UInt16.self)
        try check(UInt32.self)
        try check(UInt64.self)
        #expect((try? PlainDecoder.decode(UInt8.self, from: "256")) == nil)
        #expect((try? PlainDecoder.decode(UInt8.self, from: "-1")) == nil)
    }

    @Test("whatever is read here, the decoder that knows everything reads as well", arguments: texts)
    func reads(_ text: String) {
        let bytes = Bytes(text)
        func check<Value: Codable & Equatable>(_ type: Value.Type) {
            guard let plain = try? PlainDecoder.decode(type, from: bytes) else { return }
            #expect((try? JobCoding.decoder.decode(type, from: Data(bytes.slice))) == plain)
        }
        check([String: Int].self)
        check([String: String?].self)
        check([Double].self)
        check([Float].self)
        check([Int].self)
        check([String].self)
        check([Bool?].self)
        check(Inner.self)
        check(String.self)
        check(Int.self)
        check(Date.self)
        check([[URL]].self)
    }

    private static let texts = [
        #"{"a":1,"b":2}"#, #" { "a" : 1 , "b" : -0 } "#, #"{"a":1,"a":2}"#, #"{"a":01}"#, #"{"a":1,}"#, #"{"a":1}x"#, #"{"a":1.0}"#, "{}",
        "[]",
        "[1,2", "[1 2]", "[1,,2]", "[,]", "[1e3,1E+2,1.5e-3,0.1,-0.0,1e999,1e-999]", "[0,0.0,-0]", "[1.]", "[.5]", "[+1]", "[-]",
        "[true,null,false]",
        "[True]", "[nul]", #"["\n\t\r\"\\\/"]"#, #"["\u00e4"]"#, #"["\b\f"]"#, #"["\x"]"#, "[\"a\nb\"]", "[\"a\u{7F}b\"]", #"["ä😀"]"#,
        #"{"ä":1}"#, #"{"\n":1}"#, #"{"a":null}"#, #"{"a":"x","b":null}"#, #""text""#, "12", "-9223372036854775808", "9223372036854775807",
        "1e2", "null", "",
        " ", "\u{FEFF}12", #"{"zebra":5,"apple":["q"],"other":[{}]}"#, #"{"apple":[],"zebra":300}"#, #"{"zebra":1}"#,
        #"{"zebra":null,"apple":[]}"#,
        #"{"zebra":1,"apple":[],"middle":1.1}"#, #""2026-09-21T14:13:20.5Z""#, #""tomorrow""#, #"[["https://a.b/c"],[""]]"#,
        "[[[[[[1]]]]]]",
    ]

    @Test("a text that is not UTF-8 is left to the decoder that knows everything")
    func otherEncodings() throws {
        #expect((try? PlainDecoder.decode(String.self, from: Bytes([0x22, 0xFF, 0x22]))) == nil)
        #expect((try? PlainDecoder.decode(String.self, from: Bytes([0x22, 0x5C, 0x6E, 0xC3, 0x22]))) == nil)
        let utf16 = try #require("\"x\"".data(using: .utf16LittleEndian))
        #expect((try? PlainDecoder.decode(String.self, from: Bytes(Array(utf16)))) == nil)
        #expect(try JobCoding.decode(String.self, from: Bytes(Array(utf16))) == "x")
    }

    @Test("a text of very many values is left to the decoder that knows everything")
    func manyValues() throws {
        for (count, isPlain) in [(4_000, true), (5_000, false)] {
            let numbers = [Int](repeating: 1, count: count)
            let bytes = Bytes(Array(try JobCoding.encoder.encode(numbers)))
            #expect(((try? PlainDecoder.decode([Int].self, from: bytes)) != nil) == isPlain)
            #expect(try JobCoding.decode([Int].self, from: bytes) == numbers)
        }
    }

    private struct Nesting: Codable, Equatable {
        var depth = 0
        init(depth: Int) { self.depth = depth }
        private enum Key: CodingKey { case a, b }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            var nested = container.nestedContainer(keyedBy: Key.self, forKey: .b)
            try nested.encode(depth, forKey: .a)
            try container.encode(encoder.codingPath.count, forKey: .a)
        }
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            depth = try container.nestedContainer(keyedBy: Key.self, forKey: .b).decode(Int.self, forKey: .a)
        }
    }

    /// Takes what it can get, and so swallows every error.
    private struct Lenient: Codable, Equatable {
        var number: Int?
        var text: String?
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            number = try? container.decode(Int.self)
            text = try? container.decode(String.self)
        }
    }

    @Test("what is not plain comes out as if there were no plain way")
    func notPlain() throws {
        #expect(PlainEncoder.encode(Nesting(depth: 3)) == nil)
        #expect(try JobCoding.encode(Nesting(depth: 3)).bytes.text == #"{"a":0,"b":{"a":3}}"#)
        #expect(try JobCoding.decode(Nesting.self, from: #"{"b":{"a":7}}"#) == Nesting(depth: 7))
        #expect(PlainEncoder.encode(Data([1])) == nil)
        #expect(PlainEncoder.encode(Decimal(1)) == nil)
        #expect(PlainEncoder.encode(Double.infinity) == nil)
        #expect(PlainEncoder.encode("\u{1}") == nil)
        #expect(PlainEncoder.encode(["ä": 1]) == nil)
        #expect(try JobCoding.encode(["ä": 1, "\u{1}": 2]).bytes.text == "{\"\\u0001\":2,\"ä\":1}")
        #expect(try JobCoding.decode(Lenient.self, from: #""five""#).text == "five")
        #expect(try JobCoding.decode(Lenient.self, from: "1.0").number == 1)
        #expect(throws: EncodingError.self) { try JobCoding.encode(Double.nan) }
    }

    private class Base: Codable {
        var b = 1
    }

    private final class Derived: Base {
        var a = 2
        private enum Key: CodingKey { case a, b }
        override func encode(to encoder: any Encoder) throws {
            try super.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(a, forKey: .a)
        }
    }

    @Test("two containers of one value are one object")
    func inheritance() throws {
        #expect(try JobCoding.encode(Derived()).bytes.text == #"{"a":2,"b":1}"#)
        #expect(PlainEncoder.encode(Derived()) == Array(#"{"a":2,"b":1}"#.utf8))
    }

    private struct Twice: Encodable {
        private enum Key: CodingKey { case b, a }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            for (value, key) in [(1, Key.b), (2, .a), (3, .b)] { try container.encode(value, forKey: key) }
        }
    }

    @Test("of a member that is encoded twice the later one counts")
    func twice() throws {
        #expect(PlainEncoder.encode(Twice()) == nil)
        #expect(try JobCoding.encode(Twice()).bytes.text == #"{"a":2,"b":3}"#)
    }
}
