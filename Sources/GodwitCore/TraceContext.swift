/// A trace context as the headers `traceparent` and `tracestate` carry it (W3C Trace Context, level 2): taken as it came, or not at all.
package struct TraceContext: Sendable, Hashable {
    package static let parentName = "traceparent", stateName = "tracestate"

    /// What was said of the caller's span.
    package let parent: String
    /// What vendors added to it; nil for nothing.
    package let state: String?

    /// Nil for what is no `traceparent`: it is passed over, as if nothing had been said. A `tracestate` that is none is left out.
    package init?(parent: String, state: String? = nil) {
        guard Self.isParent(parent.utf8) else { return nil }
        self.parent = parent
        self.state = state.flatMap(Self.members)
    }

    /// The context that a job's headers carry; nil when they carry none.
    package init?(_ headers: [Header]) {
        guard let parent = headers.first(where: { $0.name == Self.parentName })?.value else { return nil }
        self.init(parent: parent, state: headers.first { $0.name == Self.stateName }?.value)
    }

    package var headers: [Header] {
        [Header(name: Self.parentName, value: parent)] + (state.map { [Header(name: Self.stateName, value: $0)] } ?? [])
    }

    // MARK: traceparent

    private static let length = 55

    /// `version-trace id-parent id-flags`, in small hexadecimal digits; versions to come may have more behind it.
    private static func isParent(_ text: String.UTF8View) -> Bool {
        let bytes = Array(text.prefix(length + 1))
        guard bytes.count >= length else { return false }
        for (index, byte) in bytes.enumerated() {
            switch index {
            case 2, 35, 52, length: guard byte == UInt8(ascii: "-") else { return false }
            default: guard isHexadecimal(byte) else { return false }
            }
        }
        let version = bytes[0..<2]
        if version.elementsEqual("ff".utf8) { return false }
        if version.elementsEqual("00".utf8), bytes.count > length { return false }
        func isZero(_ range: Range<Int>) -> Bool { bytes[range].allSatisfy { $0 == UInt8(ascii: "0") } }
        // Whoever takes it up again reads it as a header: what stands behind is to be text.
        return !isZero(3..<35) && !isZero(36..<52) && text.dropFirst(length).allSatisfy { (0x21...0x7e).contains($0) }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    // MARK: tracestate

    private static let mostMembers = 32, mostBytes = 512, longMember = 128

    /// `key=value` by commas. One that is too long loses its long members first, then those at the end.
    private static func members(_ text: String) -> String? {
        guard text.utf8.count <= 8_192 else { return nil }
        var members: [Substring] = [], keys: Set<Substring> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: true) {
            let member = part.trimming { $0 == " " || $0 == "\t" }
            if member.isEmpty { continue }
            guard let equals = member.firstIndex(of: "="), isKey(member[..<equals]), keys.insert(member[..<equals]).inserted,
                isValue(member[member.index(after: equals)...])
            else { return nil }
            members.append(member)
        }
        guard (1...mostMembers).contains(members.count) else { return nil }
        func bytes() -> Int { members.reduce(members.count - 1) { $0 + $1.utf8.count } }
        while bytes() > mostBytes {
            members.remove(at: members.lastIndex { $0.utf8.count > longMember } ?? members.count - 1)
        }
        return members.isEmpty ? nil : members.joined(separator: ",")
    }

    private static func isKey(_ text: Substring) -> Bool {
        guard (1...256).contains(text.utf8.count), let first = text.utf8.first else { return false }
        func isLetter(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        return isLetter(first) && text.utf8.dropFirst().allSatisfy { isLetter($0) || "_-*/@".utf8.contains($0) }
    }

    private static func isValue(_ text: Substring) -> Bool {
        (1...256).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "=") }
    }
}

extension Substring {
    fileprivate func trimming(_ isDropped: (Character) -> Bool) -> Substring {
        var rest = drop(while: isDropped)
        while let last = rest.last, isDropped(last) { rest.removeLast() }
        return rest
    }
}
