import GodwitCore
import GodwitJournal

extension BrokerError {
    /// How a journal's failure looks to callers.
    init(_ error: JournalError) {
        let code: Code
        switch error {
        case .locked: code = .storeLocked
        case .corrupt: code = .storeCorrupt
        case .newerFormat: code = .storeNewer
        case .noSpace: code = .diskFull
        case .olderFormat: code = .storeOutdated
        case .tooLarge: code = .tooLarge
        case .failed, .io: code = .storeFailed
        }
        self.init(code, error.description, retryAfter: code == .diskFull ? .seconds(5) : nil, cause: error)
    }

    /// How a checkpoint looks to callers whose checksums are right and whose content is not.
    init(_ error: RecordError, inCheckpointOf folder: String) {
        let what: String
        switch error {
        case .truncated: what = "a part of it ends too early"
        case .malformed(let text), .contradiction(let text): what = "it is malformed: \(text)"
        case .newer:
            self.init(.storeNewer, "the checkpoint in \(folder): \(error.text)", cause: error)
            return
        }
        self.init(.storeCorrupt, "the checkpoint in \(folder): \(what). Keep a copy of the folder before anything else", cause: error)
    }

    /// How a record looks to callers whose checksum is right and whose content is not.
    init(_ error: RecordError, at location: RecordLocation, in folder: String) {
        if case .newer = error {
            self.init(.storeNewer, "\(folder)/\(location): \(error.text)", cause: error)
            return
        }
        self.init(.storeCorrupt, "\(folder)/\(location): \(error.text). Keep a copy of the folder before anything else", cause: error)
    }
}

extension RecordError {
    var text: String {
        switch self {
        case .truncated: "the record ends too early"
        case .malformed(let what): "the record is malformed: \(what)"
        case .newer(let what): "a newer version of Godwit wrote \(what): open the store with that version"
        case .contradiction(let what): "it contradicts the records before it: \(what)"
        }
    }
}
