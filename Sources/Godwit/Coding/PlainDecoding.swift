/// A place in a plain text, as the value there sees it.
struct PlainDecoding: Decoder {
    let decoder: PlainDecoder
    let index: Int

    var userInfo: [CodingUserInfoKey: Any] { [:] }
    var codingPath: [any CodingKey] {
        _ = decoder.gaveUp()
        return []
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard decoder.kind(at: index) == .object else { throw decoder.gaveUp() }
        return KeyedDecodingContainer(PlainKeyedDecoding(at: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard decoder.kind(at: index) == .array else { throw decoder.gaveUp() }
        return PlainUnkeyedDecoding(at: self)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }
}

extension PlainDecoding: SingleValueDecodingContainer {
    func decodeNil() -> Bool { decoder.kind(at: index) == .null }
    func decode(_ type: Bool.Type) throws -> Bool { try decoder.flag(at: index) }
    func decode(_ type: String.Type) throws -> String { try decoder.string(at: index) }
    func decode(_ type: Double.Type) throws -> Double { try decoder.number(at: index) }
    func decode(_ type: Float.Type) throws -> Float { try decoder.number(at: index) }
    func decode(_ type: Int.Type) throws -> Int { try decoder.integer(at: index) }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.integer(at: index) }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.integer(at: index) }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.integer(at: index) }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.integer(at: index) }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.integer(at: index) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.integer(at: index) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.integer(at: index) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.integer(at: index) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.integer(at: index) }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.value(type, at: index) }
}

struct PlainKeyedDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let decoder: PlainDecoder
    private let index: Int

    init(at place: PlainDecoding) {
        decoder = place.decoder
        index = place.index
    }

    var codingPath: [any CodingKey] { PlainDecoding(decoder: decoder, index: index).codingPath }
    var allKeys: [Key] {
        do { return try decoder.names(of: index).compactMap { Key(stringValue: $0) } } catch { return [] }
    }

    /// A name that is not ASCII is not there: there is no outline of a text that has one.
    func contains(_ key: Key) -> Bool {
        do { return try decoder.member(key, of: index) != nil } catch { return false }
    }

    private func at(_ key: Key) throws -> Int {
        guard let member = try decoder.member(key, of: index) else { throw decoder.gaveUp() }
        return member
    }

    func decodeNil(forKey key: Key) throws -> Bool { decoder.kind(at: try at(key)) == .null }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try decoder.flag(at: at(key)) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try decoder.string(at: at(key)) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try decoder.number(at: at(key)) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try decoder.number(at: at(key)) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try decoder.integer(at: at(key)) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try decoder.integer(at: at(key)) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try decoder.integer(at: at(key)) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try decoder.integer(at: at(key)) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try decoder.integer(at: at(key)) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try decoder.integer(at: at(key)) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try decoder.integer(at: at(key)) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try decoder.integer(at: at(key)) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try decoder.integer(at: at(key)) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try decoder.integer(at: at(key)) }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try decoder.value(type, at: at(key)) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try PlainDecoding(decoder: decoder, index: at(key)).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try PlainDecoding(decoder: decoder, index: at(key)).unkeyedContainer()
    }
    func superDecoder() throws -> any Decoder { throw decoder.gaveUp() }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw decoder.gaveUp() }
}

struct PlainUnkeyedDecoding: UnkeyedDecodingContainer {
    private let decoder: PlainDecoder
    private let array: Int
    private var index: Int
    private(set) var currentIndex = 0

    init(at place: PlainDecoding) {
        decoder = place.decoder
        array = place.index
        index = place.index + 1
    }

    var codingPath: [any CodingKey] { PlainDecoding(decoder: decoder, index: array).codingPath }
    var count: Int? { decoder.count(at: array) }
    var isAtEnd: Bool { index >= decoder.next(after: array) }

    private mutating func take() throws -> PlainDecoding {
        guard !isAtEnd else { throw decoder.gaveUp() }
        defer {
            index = decoder.next(after: index)
            currentIndex += 1
        }
        return PlainDecoding(decoder: decoder, index: index)
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd else { throw decoder.gaveUp() }
        guard decoder.kind(at: index) == .null else { return false }
        _ = try take()
        return true
    }
    mutating func decode(_ type: Bool.Type) throws -> Bool { try take().decode(type) }
    mutating func decode(_ type: String.Type) throws -> String { try take().decode(type) }
    mutating func decode(_ type: Double.Type) throws -> Double { try take().decode(type) }
    mutating func decode(_ type: Float.Type) throws -> Float { try take().decode(type) }
    mutating func decode(_ type: Int.Type) throws -> Int { try take().decode(type) }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try take().decode(type) }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try take().decode(type) }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try take().decode(type) }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try take().decode(type) }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try take().decode(type) }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try take().decode(type) }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try take().decode(type) }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try take().decode(type) }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try take().decode(type) }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try take().decode(type) }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        try take().container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try take().unkeyedContainer() }
    mutating func superDecoder() throws -> any Decoder { throw decoder.gaveUp() }
}
