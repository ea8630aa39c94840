/// The names of a store's files. Files called otherwise are not ours, and are neither read nor touched.
package enum FileName {
    package enum Kind: Equatable {
        case segment(UInt32)
        case spare(UInt32)
        case checkpoint(UInt32)
        case draft(UInt32)
    }

    static func segment(_ number: UInt32) -> String { "segment-" + hexadecimal(number) }
    static func spare(_ number: UInt32) -> String { "spare-" + hexadecimal(number) }
    static func checkpoint(_ number: UInt32) -> String { "checkpoint-" + hexadecimal(number) }
    /// A checkpoint that is being written, or room for one.
    static func draft(_ number: UInt32) -> String { "draft-" + hexadecimal(number) }
    /// A checkpoint that cannot be read.
    static func damaged(_ name: String) -> String { "damaged-" + name }
    /// Whether recovery or a repair kept something under this name.
    static func isKept(_ name: String) -> Bool { name.hasPrefix("cut-") || name.hasPrefix(damaged("")) }
    /// Bytes that recovery cut from a segment; `copy` counts those of the same place whose bytes differ.
    static func cut(segment: UInt32, offset: UInt32, copy: Int) -> String {
        "cut-" + hexadecimal(segment) + "-" + hexadecimal(offset) + (copy == 0 ? "" : "-\(copy)")
    }

    /// The highest number that counts. No store ever gets there; one that seems to is not ours, and would leave no number for the next file.
    package static let lastNumber = UInt32.max / 2

    /// What a name says; nil for all others.
    package static func parse(_ name: String) -> Kind? {
        guard let dash = name.utf8.firstIndex(of: UInt8(ascii: "-")) else { return nil }
        let digits = name.utf8[name.utf8.index(after: dash)...]
        guard digits.count == 8 else { return nil }
        var number: UInt32 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt32(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt32(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        guard number <= lastNumber else { return nil }
        switch name[..<dash] {
        case "segment": return .segment(number)
        case "spare": return .spare(number)
        case "checkpoint": return .checkpoint(number)
        case "draft": return .draft(number)
        default: return nil
        }
    }

    private static func hexadecimal(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }
}
