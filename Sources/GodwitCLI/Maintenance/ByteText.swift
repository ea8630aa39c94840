/// Numbers as people read them.
enum ByteText {
    /// A number of bytes in a unit that leaves one to four digits: `512 B`, `1.5 MiB`, `64 MiB`.
    static func text(_ bytes: Int) -> String {
        guard bytes >= 1_024 else { return "\(bytes) B" }
        var value = Double(bytes), unit = 0
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB"]
        value /= 1_024
        while value >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return (tenths % 10 == 0 || tenths >= 1_000 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)") + " " + units[unit]
    }

    /// How much of a whole is done.
    static func share(_ done: Int, of total: Int) -> String { total > 0 ? "\(done * 100 / total) %" : "100 %" }

    /// `1 job`, `2 jobs`.
    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
