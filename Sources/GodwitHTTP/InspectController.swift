package import GodwitCore
import HTTPTypes
import Hummingbird

/// Says what the store is made of, while it is in use.
struct InspectController: Sendable {
    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.get, "inspect", .admin, handler: inspect)] }

    @Sendable private func inspect(_ exchange: Exchange) async throws -> Response {
        guard let store = environment.broker as? any Inspectable else {
            throw Problem(
                .notImplemented,
                "not_supported",
                "the broker behind these routes has no files of its own: look at it where it is"
            )
        }
        let contents = try await store.contents()
        let queues = try await environment.broker.queues()
        return .json { json in json.object { $0.contents(contents, queues) } }
    }
}

extension JSONWriter {
    /// What a store is made of: segments, checkpoints, disk and memory, queues.
    package mutating func contents(_ contents: StoreContents, _ queues: [QueueStatus]) {
        member("level", contents.level)
        key("segments")
        array { json in
            for segment in contents.segments {
                json.object { json in
                    json.member("file", segment.file)
                    json.member("bytes", segment.bytes)
                    json.optional("used_bytes", segment.usedBytes)
                    json.optional("records", segment.records)
                    json.member("live_records", segment.liveRecords)
                    json.member("live_bytes", segment.liveBytes)
                    json.key("copy")
                    if let isCopy = segment.isCopy { json.bool(isCopy) } else { json.null() }
                }
            }
        }
        key("checkpoints")
        array { json in
            for checkpoint in contents.checkpoints {
                json.object { json in
                    json.member("file", checkpoint.file)
                    json.member("bytes", checkpoint.bytes)
                    json.member("sound", checkpoint.isSound)
                }
            }
        }
        member("spare_bytes", contents.spareBytes)
        key("kept_files")
        array { json in
            for file in contents.keptFiles { json.string(file) }
        }
        member("disk_bytes", contents.diskBytes)
        member("live_bytes", contents.liveBytes)
        optional("memory_bytes", contents.memoryBytes)
        key("queues")
        array { json in
            for queue in queues { json.queue(queue) }
        }
    }

    private mutating func optional(_ name: StaticString, _ number: Int?) {
        key(name)
        if let number { integer(number) } else { null() }
    }
}
