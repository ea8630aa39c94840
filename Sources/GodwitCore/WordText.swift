/// Opaque text, kept as words where it is base 32 of two or three of them: ids and tokens of the engine are made, hashed and compared by the
/// million, and mostly nobody reads their text.
///
/// Base 32 of words is unique, so equal texts are equal values.
enum WordText: Hashable, Sendable, CustomStringConvertible {
    case two(UInt64, UInt64)
    case three(UInt64, UInt64, UInt64)
    case text(String)

    init(_ text: String) {
        if let (a, b, _) = Base32.words(text, count: 2) {
            self = .two(a, b)
        } else if let (a, b, c) = Base32.words(text, count: 3) {
            self = .three(a, b, c)
        } else {
            self = .text(text)
        }
    }

    var description: String {
        switch self {
        case .two(let a, let b): Base32.text(a, b)
        case .three(let a, let b, let c): Base32.text(a, b, c)
        case .text(let text): text
        }
    }
}
