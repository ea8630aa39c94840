import GodwitCore
import GodwitHTTP
import Logging
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Writes each event as one JSON object on a line of its own: `time`, `level`, `label`, `message`, `metadata` as it is nested, and `source`.
struct JSONLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let now: @Sendable () -> Timestamp
    private let write: @Sendable (_ line: [UInt8]) -> Void

    /// - Parameters:
    ///   - now: the time of day.
    ///   - write: takes one line with its end; to standard error when nil.
    init(
        label: String,
        metadataProvider: Logger.MetadataProvider? = nil,
        now: @escaping @Sendable () -> Timestamp = WallClock.now,
        write: (@Sendable (_ line: [UInt8]) -> Void)? = nil
    ) {
        self.label = label
        self.metadataProvider = metadataProvider
        self.now = now
        self.write = write ?? Self.toStandardError
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let said = event.metadata { all.merge(said) { $1 } }
        if let error = event.error {
            all["error.message"] = "\(error)"
            all["error.type"] = "\(String(reflecting: type(of: error)))"
        }
        var line = JSONWriter.bytes { json in
            json.object { json in
                json.member("time", now())
                json.member("level", event.level.rawValue)
                json.member("label", label)
                json.member("message", "\(event.message)")
                if !all.isEmpty {
                    json.key("metadata")
                    json.metadata(all)
                }
                json.member("source", event.source)
            }
        }
        line.append(UInt8(ascii: "\n"))
        write(line)
    }

    /// Lines of several threads do not mix, however long they are.
    private static let standardError = Mutex(())

    private static let toStandardError: @Sendable ([UInt8]) -> Void = { line in
        standardError.withLock { _ in try? Output.write(ContiguousArray(line), to: STDERR_FILENO) }
    }
}

extension JSONWriter {
    /// In the order of the keys, so that equal events are equal lines.
    fileprivate mutating func metadata(_ metadata: Logger.Metadata) {
        object { json in
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                json.key(key)
                json.metadata(value)
            }
        }
    }

    private mutating func metadata(_ value: Logger.Metadata.Value) {
        switch value {
        case .string(let text): string(text)
        case .stringConvertible(let value): string(value.description)
        case .dictionary(let metadata): self.metadata(metadata)
        case .array(let values): array { json in values.forEach { json.metadata($0) } }
        }
    }
}
