import GodwitCore
import HTTPTypes

/// `Prefer: wait=N` (RFC 7240): hold the answer for up to N seconds.
struct Preference {
    /// What is waited, after the cap.
    var wait: Duration

    /// Nil when the client states no wait, or states it in a way that says nothing: preferences may be ignored.
    init?(_ fields: HTTPFields, cap: Duration) {
        for value in fields[values: .prefer] {
            for preference in value.split(whereSeparator: { $0 == "," || $0 == ";" }) {
                let pair = preference.split(separator: "=", maxSplits: 1)
                guard pair.count == 2, pair[0].trimmed.lowercased() == "wait", let seconds = Int64(pair[1].trimmed.unquoted), seconds >= 0
                else { continue }
                wait = min(.seconds(min(seconds, 1 << 32)), cap)
                return
            }
        }
        return nil
    }

    var applied: String { "wait=\(wait.components.seconds)" }
}

extension HTTPField.Name {
    static var prefer: Self { Self("Prefer")! }  // a literal token
    static var preferenceApplied: Self { Self("Preference-Applied")! }  // a literal token
    static var idempotencyKey: Self { Self("Idempotency-Key")! }  // a literal token
    static var godwitSession: Self { Self("Godwit-Session")! }  // a literal token
    static var godwitWaited: Self { Self("Godwit-Waited")! }  // a literal token
    static var idempotencyReplayed: Self { Self("Idempotency-Replayed")! }  // a literal token
    static var lastEventID: Self { Self("Last-Event-ID")! }  // a literal token
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self.drop(while: { $0 == " " || $0 == "\t" })
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }

    fileprivate var unquoted: Substring { count >= 2 && first == "\"" && last == "\"" ? dropFirst().dropLast() : self }
}
