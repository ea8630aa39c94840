/// The containers of ``PlainEncoder``.
struct PlainKeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: PlainEncoder
    let level: Int

    var codingPath: [any CodingKey] { encoder.codingPath }

    private func at(_ key: Key) throws -> PlainEncoder {
        try encoder.place(key, in: level)
        return encoder
    }

    func encodeNil(forKey key: Key) throws { try at(key).writeNull() }
    func encode(_ value: Bool, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: String, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Double, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Float, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Int, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Int8, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Int16, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Int32, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: Int64, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: UInt, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: UInt8, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: UInt16, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: UInt32, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: UInt64, forKey key: Key) throws { try at(key).write(value) }
    func encode(_ value: some Encodable, forKey key: Key) throws { try at(key).writeValue(value) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        encoder.giveUp().container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { encoder.giveUp().unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder.giveUp() }
    func superEncoder(forKey key: Key) -> any Encoder { encoder.giveUp() }
}

struct PlainUnkeyedEncoding: UnkeyedEncodingContainer {
    let encoder: PlainEncoder
    let level: Int

    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.count(of: level) }

    private func next() throws -> PlainEncoder {
        try encoder.place(elementOf: level)
        return encoder
    }

    func encodeNil() throws { try next().writeNull() }
    func encode(_ value: Bool) throws { try next().write(value) }
    func encode(_ value: String) throws { try next().write(value) }
    func encode(_ value: Double) throws { try next().write(value) }
    func encode(_ value: Float) throws { try next().write(value) }
    func encode(_ value: Int) throws { try next().write(value) }
    func encode(_ value: Int8) throws { try next().write(value) }
    func encode(_ value: Int16) throws { try next().write(value) }
    func encode(_ value: Int32) throws { try next().write(value) }
    func encode(_ value: Int64) throws { try next().write(value) }
    func encode(_ value: UInt) throws { try next().write(value) }
    func encode(_ value: UInt8) throws { try next().write(value) }
    func encode(_ value: UInt16) throws { try next().write(value) }
    func encode(_ value: UInt32) throws { try next().write(value) }
    func encode(_ value: UInt64) throws { try next().write(value) }
    func encode(_ value: some Encodable) throws { try next().writeValue(value) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        encoder.giveUp().container(keyedBy: type)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder.giveUp().unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder.giveUp() }
}

struct PlainSingleEncoding: SingleValueEncodingContainer {
    let encoder: PlainEncoder
    let level: Int

    var codingPath: [any CodingKey] { encoder.codingPath }

    private func only() throws -> PlainEncoder {
        try encoder.place(single: level)
        return encoder
    }

    func encodeNil() throws { try only().writeNull() }
    func encode(_ value: Bool) throws { try only().write(value) }
    func encode(_ value: String) throws { try only().write(value) }
    func encode(_ value: Double) throws { try only().write(value) }
    func encode(_ value: Float) throws { try only().write(value) }
    func encode(_ value: Int) throws { try only().write(value) }
    func encode(_ value: Int8) throws { try only().write(value) }
    func encode(_ value: Int16) throws { try only().write(value) }
    func encode(_ value: Int32) throws { try only().write(value) }
    func encode(_ value: Int64) throws { try only().write(value) }
    func encode(_ value: UInt) throws { try only().write(value) }
    func encode(_ value: UInt8) throws { try only().write(value) }
    func encode(_ value: UInt16) throws { try only().write(value) }
    func encode(_ value: UInt32) throws { try only().write(value) }
    func encode(_ value: UInt64) throws { try only().write(value) }
    func encode(_ value: some Encodable) throws { try only().writeValue(value) }
}
