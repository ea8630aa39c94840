import ArgumentParser
import Foundation
import GodwitCore
import GodwitHTTP

/// An option's value that is JSON: as it stands, or in a file that `@FILE` names.
struct JSONArgument: ExpressibleByArgument {
    /// The JSON in one line.
    let text: String

    init?(argument: String) {
        let bytes: [UInt8]
        if argument.hasPrefix("@") {
            guard let contents = FileManager.default.contents(atPath: String(argument.dropFirst())) else { return nil }
            bytes = Array(contents)
        } else {
            bytes = Array(argument.utf8)
        }
        guard let value = JSONValue(bytes) else { return nil }
        // Inside its strings JSON has no control characters: those between its parts are spaces.
        text = String(decoding: value.bytes.slice.map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)
    }

    var bytes: Bytes { Bytes(text) }
}
