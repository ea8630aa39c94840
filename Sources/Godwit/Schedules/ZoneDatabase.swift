import Foundation

/// The machine's time zone database: a folder of files, each named as its zone.
struct ZoneDatabase: Sendable {
    /// Folders, of which the first that has a zone counts.
    var folders: [String]

    /// Where systems keep it, after the folder that the environment names.
    static var system: ZoneDatabase {
        let named = ProcessInfo.processInfo.environment["TZDIR"].map { [$0] } ?? []
        return ZoneDatabase(folders: named + ["/usr/share/zoneinfo", "/etc/zoneinfo", "/usr/lib/zoneinfo"])
    }

    /// A zone's clock by its name, such as `Europe/Berlin`; nil for one that is unknown here. UTC is known without any file.
    func clock(_ name: String) -> ZoneClock? {
        if ["UTC", "GMT", "Etc/UTC"].contains(name) { return .utc }
        guard Self.isName(name) else { return nil }
        for folder in folders {
            if let file = FileManager.default.contents(atPath: "\(folder)/\(name)"), file.count <= Self.largestFile,
                let clock = ZoneClock(file: Array(file))
            {
                return clock
            }
        }
        return nil
    }

    /// The largest zone has less than 4 KiB.
    private static let largestFile = 1 << 20

    /// Words with `/` between them: no way out of the folder.
    private static func isName(_ name: String) -> Bool {
        name.utf8.count <= 255
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { word in
                word.utf8.first.map { $0 != UInt8(ascii: ".") } == true
                    && word.utf8.allSatisfy {
                        switch $0 {
                        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"): true
                        default: false
                        }
                    }
            }
    }
}
