import GodwitCore

extension QueueName {
    /// The name as a number, in the order of the names: the simulation's are short, and compared more often than anything else.
    var word: UInt64 {
        var word: UInt64 = 0, shift: UInt64 = 64
        for byte in description.utf8 {
            precondition(shift > 0, "a simulated queue's name has at most 8 bytes")
            shift -= 8
            word |= UInt64(byte) << shift
        }
        return word
    }
}

/// Things by queue, in the order of the queues' names. There are few: going through them is quicker than hashing names.
struct QueueMap<Value>: Sequence {
    private(set) var keys: [QueueName] = []
    private var words: [UInt64] = []
    /// Those of the keys; nil only while one is being changed.
    private var slots: [Value?] = []

    init() {}

    private init(keys: [QueueName], words: [UInt64], slots: [Value?]) {
        self.keys = keys
        self.words = words
        self.slots = slots
    }

    var isEmpty: Bool { keys.isEmpty }
    var values: [Value] { slots.compactMap { $0 } }

    subscript(name: QueueName) -> Value? {
        get { place(of: name.word).flatMap { slots[$0] } }
        _modify {
            let word = name.word
            var value: Value?
            if let place = place(of: word) { swap(&value, &slots[place]) }
            defer { put(value, word, name) }
            yield &value
        }
    }

    subscript(name: QueueName, default fallback: @autoclosure () -> Value) -> Value {
        get { self[name] ?? fallback() }
        _modify {
            let word = name.word
            var value: Value?
            if let place = place(of: word) { swap(&value, &slots[place]) }
            var changed = value.take() ?? fallback()
            defer { put(changed, word, name) }
            yield &changed
        }
    }

    private func place(of word: UInt64) -> Int? {
        for place in words.indices where words[place] == word { return place }
        return nil
    }

    private mutating func put(_ value: consuming Value?, _ word: UInt64, _ name: QueueName) {
        let place = words.firstIndex { $0 >= word } ?? words.count, isThere = place < words.count && words[place] == word
        if value == nil {
            guard isThere else { return }
            keys.remove(at: place)
            words.remove(at: place)
            slots.remove(at: place)
        } else if isThere {
            slots[place] = value
        } else {
            keys.insert(name, at: place)
            words.insert(word, at: place)
            slots.insert(value, at: place)
        }
    }

    func mapValues<Other>(_ body: (Value) throws -> Other) rethrows -> QueueMap<Other> {
        try QueueMap<Other>(keys: keys, words: words, slots: slots.map { try $0.map(body) })
    }

    func makeIterator() -> Iterator { Iterator(map: self) }

    struct Iterator: IteratorProtocol {
        fileprivate let map: QueueMap
        private var place = 0

        fileprivate init(map: QueueMap) { self.map = map }

        mutating func next() -> (key: QueueName, value: Value)? {
            guard place < map.keys.count, let value = map.slots[place] else { return nil }
            defer { place += 1 }
            return (map.keys[place], value)
        }
    }
}
